#!/usr/bin/env node
/**
 * Runs one query and prints each value with its provenance: the source, when it was fetched, and whether it is stale.
 * Needs nothing but Node's own fetch.
 *
 *   node examples/node-client/query.mjs
 *
 * ISTHMUS_URL    address of the hub; default: http://localhost:4000, the demo
 * ISTHMUS_TOKEN  access token; default: none, which the demo accepts from this machine
 */
const url = process.env.ISTHMUS_URL || 'http://localhost:4000';
const token = process.env.ISTHMUS_TOKEN;

const query = `query ($first: Int) {
  companies(first: $first) {
    nodes {
      uscc
      name
      registration { status legalName }
      presence { peopleInside }
    }
  }
}`;

/** Runs a query. Resolves with the response; rejects if the hub is not reachable. */
async function execute(query, variables) {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    // With this extension the response contains provenance entries in `extensions`.
    body: JSON.stringify({ query, variables, extensions: { provenance: true } }),
  }).catch((error) => {
    throw new Error(`Cannot reach ${url}: ${error.cause?.code ?? error.message}. Is the hub running?`);
  });
  return response.json();
}

/** Paths and values of all fields that have a value. */
function* values(data, path = []) {
  if (data === null || data === undefined) return;
  if (typeof data !== 'object') yield [path, data];
  else for (const [key, value] of Object.entries(data)) yield* values(value, [...path, key]);
}

/** The entry that covers a field: of all entries whose path begins the field's path, the one with the longest path. */
function provenanceOf(entries, path) {
  const covers = ({ path: start }) => start.every((step, i) => String(step) === path[i]);
  return entries.filter(covers).sort((a, b) => b.path.length - a.path.length)[0];
}

try {
  const { data, errors, extensions } = await execute(query, { first: 3 });
  // If a source is down, its fields are null, each with an error. Other fields are not affected.
  for (const { message, path, extensions } of errors ?? [])
    console.error(`${extensions?.code}: ${message}${path ? ` (${path.join('.')})` : ''}`);
  if (!data) process.exitCode = 1;
  for (const [path, value] of values(data)) {
    const from = provenanceOf(extensions?.provenance ?? [], path);
    const origin = from ? `${from.source}, fetched ${from.fetchedAt}${from.stale ? ', stale' : ''}` : 'the hub';
    console.log(`${path.join('.')} = ${value}  [${origin}]`);
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
