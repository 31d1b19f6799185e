/** The directive texts that the subgraphs write; Federation 2.9 knows them all. */
export const FEDERATION = 'https://specs.apollo.dev/federation/v2.9';

/** What a subgraph may import; only what it uses is printed. */
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
/** On every field that returns a connection. */
export const LIST_SIZE =
  '@listSize(slicingArguments: ["first", "last"], sizedFields: ["nodes", "edges"], assumedSize: 20, requireOneSlicingArgument: false)';

/** An entity's key; a stub (`resolvable` false) answers its key and nothing else. */
export const key = (fields: string, resolvable = true): string =>
  `@key(fields: "${fields}"${resolvable ? '' : ', resolvable: false'})`;

/** All of these scopes are needed. */
export const requiresScopes = (...scopes: string[]): string =>
  `@requiresScopes(scopes: [[${scopes.map((scope) => `"${scope}"`).join(', ')}]])`;

/** Such as `policy('consent:tax')`. */
export const policy = (name: string): string => `@policy(policies: [["${name}"]])`;
