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

/** The key of an entity. `resolvable: false`: a stub that the subgraph only references. */
export const key = (fields: string, resolvable = true): string =>
  `@key(fields: "${fields}"${resolvable ? '' : ', resolvable: false'})`;

/** The caller needs all of these scopes. */
export const requiresScopes = (...scopes: string[]): string =>
  `@requiresScopes(scopes: [[${scopes.map((scope) => `"${scope}"`).join(', ')}]])`;

/** The caller needs the policy, such as `consent:tax`. */
export const policy = (name: string): string => `@policy(policies: [["${name}"]])`;
