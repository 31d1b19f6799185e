/** Federation 2.9 directives, as the subgraphs write them. */
export const FEDERATION = 'https://specs.apollo.dev/federation/v2.9';

/** Directives that a subgraph may import; its SDL imports those it uses. */
export const FEDERATION_DIRECTIVES = [
  '@key',
  '@shareable',
  '@external',
  '@requires',
  '@provides',
  '@override',
  '@inaccessible',
  '@interfaceObject',
  '@listSize',
  '@cost',
  '@authenticated',
  '@requiresScopes',
  '@policy',
] as const;

export const SHAREABLE = '@shareable';
export const INACCESSIBLE = '@inaccessible';
export const AUTHENTICATED = '@authenticated';
/** For every field that returns a connection. */
export const LIST_SIZE =
  '@listSize(slicingArguments: ["first", "last"], sizedFields: ["nodes", "edges"], assumedSize: 20, requireOneSlicingArgument: false)';

/**
 * Our own cost directive, for what `@listSize` cannot express: a field that computes one value for each step of a range. `from`, `to` and
 * `bucket` name its arguments; without `bucket`, `from` and `to` are periods such as 2026-10, 2026-Q4 or 2026, both inclusive. The field
 * costs `weight` points for each step, selected or not; its `sizedFields` have that many items, which cost nothing further.
 */
export const SERIES_COST = {
  name: '@seriesCost',
  url: 'https://isthmus.example/specs/seriesCost/v0.1',
  definition:
    'directive @seriesCost(from: String!, to: String!, bucket: String, weight: String!, sizedFields: [String!]) on FIELD_DEFINITION',
} as const;

/** For a field with the arguments `from`, `to` and `bucket` that returns a series with `buckets`. */
export const BUCKET_SERIES =
  '@seriesCost(from: "from", to: "to", bucket: "bucket", weight: "0.25", sizedFields: ["buckets"])';
/** For a field with the arguments `from` and `to` that returns a list with a row for each period. */
export const PERIOD_SERIES = '@seriesCost(from: "from", to: "to", weight: "1")';

/** The key of an entity. `resolvable: false`: a stub that the subgraph only references. */
export const key = (fields: string, resolvable = true): string =>
  `@key(fields: "${fields}"${resolvable ? '' : ', resolvable: false'})`;

/** The caller needs all of these scopes. */
export const requiresScopes = (...scopes: string[]): string =>
  `@requiresScopes(scopes: [[${scopes.map((scope) => `"${scope}"`).join(', ')}]])`;

/** The caller needs the policy, such as `consent:tax`. */
export const policy = (name: string): string => `@policy(policies: [["${name}"]])`;
