#!/bin/sh
# Queries the records that onboard.sh has connected, joined to the buildings of the park.
#
#   sh examples/own-source/query.sh
#
# ISTHMUS_URL    address of the hub; default: http://localhost:4000
# ISTHMUS_TOKEN  access token; default: none, which `anonymous` in isthmus.yaml allows from this machine
set -eu
{ [ -z "${ISTHMUS_TOKEN:-}" ] || printf 'header = "authorization: Bearer %s"\n' "$ISTHMUS_TOKEN"; } |
  curl -sS --fail-with-body --config - "${ISTHMUS_URL:-http://localhost:4000}/graphql" -H 'content-type: application/json' -d '{
    "query": "{ building(id: \"lakeside-b01\") { name leases(first: 10) { totalCount nodes { leaseNo rent begins provenance { source recordedAt stale } } } } }"
  }'
printf '\n'
