#!/usr/bin/env python3
"""Reads all companies, page by page, and writes them as CSV with the source and age of the number of people inside.

Needs nothing but Python 3.8 or newer.

    python3 examples/python/query.py > companies.csv

ISTHMUS_URL    address of the hub; default: http://localhost:4000, the demo
ISTHMUS_TOKEN  access token; default: none, which the demo accepts from this machine
"""

import csv
import json
import os
import sys
import urllib.error
import urllib.request

URL = os.environ.get("ISTHMUS_URL") or "http://localhost:4000"
TOKEN = os.environ.get("ISTHMUS_TOKEN")
PAGE = 15
QUERY = """
query ($first: Int, $after: Cursor) {
  companies(first: $first, after: $after) {
    nodes {
      uscc
      name
      presence { peopleInside provenance { source age stale } }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""


def execute(query, variables):
    """Returns the data of a query. Exits with a message if there is none."""
    headers = {"content-type": "application/json"}
    if TOKEN:
        headers["authorization"] = f"Bearer {TOKEN}"
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{URL}/graphql", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            result = json.load(response)
    except urllib.error.HTTPError as error:
        # The body of an error response is JSON too.
        result = json.load(error)
    except urllib.error.URLError as error:
        sys.exit(f"Cannot reach {URL}: {error.reason}. Is the hub running?")
    for error in result.get("errors", []):
        print(f"{error.get('extensions', {}).get('code')}: {error['message']}", file=sys.stderr)
    # With both data and errors, the fields of a source that is down are null.
    if not result.get("data"):
        sys.exit(1)
    return result["data"]


def companies():
    """Yields all companies."""
    after = None
    while True:
        page = execute(QUERY, {"first": PAGE, "after": after})["companies"]
        yield from page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def main():
    # Read all pages first: if one fails, nothing is written.
    rows = list(companies())
    # Names are Chinese: always write UTF-8, whatever the locale.
    sys.stdout.reconfigure(encoding="utf-8", newline="")
    out = csv.writer(sys.stdout)
    out.writerow(["uscc", "name", "people_inside", "source", "age", "stale"])
    for company in rows:
        presence = company["presence"] or {}
        provenance = presence.get("provenance") or {}
        inside = presence.get("peopleInside")
        out.writerow([company["uscc"], company["name"], inside, provenance.get("source"), provenance.get("age"), provenance.get("stale")])


if __name__ == "__main__":
    main()
