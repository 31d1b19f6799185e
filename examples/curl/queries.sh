#!/bin/sh
# Asks the hub with curl: sources, a join over several systems, variables, provenance, events. Prints each answer as one line of JSON.
#
#   sh examples/curl/queries.sh
#
# ISTHMUS_URL    address of the hub; default: http://localhost:4000, the demo
# ISTHMUS_TOKEN  access token; default: none, which the demo accepts from this machine
set -eu
url="${ISTHMUS_URL:-http://localhost:4000}"

# ask TITLE BODY: prints the title and the answer. Ends the script when the hub cannot be reached or refuses the request.
ask() {
  printf '# %s\n' "$1"
  # curl reads the header from its input, so that the token is not visible in the list of processes.
  { [ -z "${ISTHMUS_TOKEN:-}" ] || printf 'header = "authorization: Bearer %s"\n' "$ISTHMUS_TOKEN"; } |
    curl -sS --fail-with-body --config - "$url/graphql" -H 'content-type: application/json' -d "$2"
  printf '\n'
}

ask 'Which sources answer?' \
  '{"query": "{ sources { id protocol state reason lastSuccess } }"}'

ask 'Two companies: register, doors and car park in one query' \
  '{"query": "{ companies(first: 2) { nodes { name registration { status } presence { peopleInside } vehicles(first: 2) { nodes { plateMasked } } } } }"}'

ask 'The car parks of one park, with a variable' \
  '{"query": "query ($park: ID!) { park(id: $park) { name lots { name free provenance { source age stale } } } }", "variables": {"park": "lakeside"}}'

ask 'The same with provenance beside the data' \
  '{"query": "{ park(id: \"lakeside\") { lots { name free } } }", "extensions": {"provenance": true}}'

ask 'The newest three events; a subscription resumes behind endCursor' \
  '{"query": "{ events(last: 3) { nodes { id time kind } pageInfo { endCursor } } }"}'
