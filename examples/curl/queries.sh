#!/bin/sh
# Queries the hub with curl: sources, a join over several systems, variables, provenance, events. Prints each response as a line of JSON.
#
#   sh examples/curl/queries.sh
#
# ISTHMUS_URL    address of the hub; default: http://localhost:4000, the demo
# ISTHMUS_TOKEN  access token; default: none, which the demo accepts from this machine
set -eu
url="${ISTHMUS_URL:-http://localhost:4000}"

# query TITLE BODY: prints the title and the response. Ends the script if the hub is not reachable or rejects the request.
query() {
  printf '# %s\n' "$1"
  # curl reads the header from its input, so that the token is not visible in the list of processes.
  { [ -z "${ISTHMUS_TOKEN:-}" ] || printf 'header = "authorization: Bearer %s"\n' "$ISTHMUS_TOKEN"; } |
    curl -sS --fail-with-body --config - "$url/graphql" -H 'content-type: application/json' -d "$2"
  printf '\n'
}

query 'State of the sources' \
  '{"query": "{ sources { id protocol state reason lastSuccess } }"}'

query 'Two companies: register, doors and car park in one query' \
  '{"query": "{ companies(first: 2) { nodes { name registration { status } presence { peopleInside } vehicles(first: 2) { nodes { plateMasked } } } } }"}'

query 'The car parks of one park, with a variable' \
  '{"query": "query ($park: ID!) { park(id: $park) { name lots { name free provenance { source age stale } } } }", "variables": {"park": "lakeside"}}'

query 'The same with provenance beside the data' \
  '{"query": "{ park(id: \"lakeside\") { lots { name free } } }", "extensions": {"provenance": true}}'

query 'The newest three events; a subscription resumes after endCursor' \
  '{"query": "{ events(last: 3) { nodes { id time kind } pageInfo { endCursor } } }"}'
