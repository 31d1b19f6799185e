/** Prints isthmus.example.yaml, its JSON Schema and the settings tables of the READMEs from the declarations. */

import { ROLE_NAMES } from '../auth/roles.ts';
import type { AnyConnector, AnyConnectorFamily } from '../connector.ts';
import { ALGORITHMS } from './sections/auth.ts';
import { DEFAULT_DEADLINE } from './sections/deadline.ts';
import { guardSettings } from './sections/guard.ts';
import { DEFAULT_LIMITS, LIMIT_NAMES, limitDescription } from './sections/limits.ts';
import { RETENTION_NAMES } from './sections/retention.ts';
import type { Setting, Settings } from './settings.ts';
import { DEFAULT_ZONE } from './time-zone.ts';

const OPEN = '<!-- settings -->';
const CLOSE = '<!-- /settings -->';

type Described = AnyConnector | AnyConnectorFamily;

const fieldsOf = (connector: Described) =>
  Object.entries(connector.settings.fields as Readonly<Record<string, Setting<unknown>>>);

/** The example file, with every setting of every connector and its description. */
export function exampleYaml(connectors: readonly Described[]): string {
  const installations = connectors.map((connector) => {
    const lines = fieldsOf(connector).map(([name, setting]) => {
      const variable = `LAKESIDE_${connector.name}_${name}`.toUpperCase().replaceAll('-', '_');
      // Only the variable of the example is replaced: a mapping of headers stays a mapping.
      const example = setting.secret ? setting.example.replace(/\$\{\w+\}/, `\${${variable}}`) : setting.example;
      const line = `${name}: ${example === '' ? '""' : example} # ${setting.description}`;
      return setting.required ? `    ${line}` : `    # ${line}`;
    });
    return [
      `  - id: lakeside-${connector.name}`,
      '    park: lakeside',
      `    connector: ${connector.name}`,
      ...lines,
    ].join('\n');
  });
  return `# Isthmus: parks and the legacy systems in them. Generated from the settings' declarations by \`isthmus schema\`.
# Secrets come from the environment by \${NAME}; \${NAME:-default} gives a default.
# Settings after # are optional. Remove the # to set one; any combination is valid.
parks:
  - id: lakeside
    name: Lakeside Software Park
    region: "500112" # GB/T 2260
    # zone: ${DEFAULT_ZONE} # IANA time zone of the park's days, months and years
    kind: SOFTWARE
    buildings:
      - { id: lakeside-b01, name: Tower 1, floorArea: "12000", known: [B01] } # known: its codes in the legacy systems

installations:
${installations.join('\n\n')}

# Connectors that run in their own process (isthmus connector NAME):
# subgraphs:
#   parking: { url: "http://127.0.0.1:4101" }

# Accepted access tokens: signed by one of these issuers, for this audience.
# auth:
#   audience: https://hub.example # claim aud of the tokens; required with issuers
#   issuers:
#     - issuer: https://id.example/realms/park # claim iss of the tokens; the keys are found by OIDC discovery
#       # jwks: https://id.example/realms/park/protocol/openid-connect/certs # URL of the keys, if the issuer has no discovery
#       # algorithms: [RS256, ES256, EdDSA]
#       # type: at+jwt # header typ of its access tokens (RFC 9068), or a list: [at+jwt, JWT] for Keycloak, Entra ID and others
#       # rolesClaim: realm_access.roles # claim that contains the roles
#       # roles: { park-manager: operator, egov: portal } # from its role names to operator, portal, analyst, developer, company

# Role of a caller from this machine without a token; absent: such a caller is unauthenticated.
# anonymous: developer

# Web origins, beside the hub's own, whose pages may call the hub; absent: none.
# origins: [https://app.example]

# The explorer at /explorer/. false: not served. Absent or true: served if callers can authenticate (auth) or the anonymous role is set;
# users paste a token. With a client, users sign in at the issuer; for several issuers, give a list of clients. Requires the section auth.
# explorer:
#   clientId: isthmus-explorer # required: a public client (authorization code, PKCE S256) with the redirect URI https://hub.example/explorer/
#   # issuer: https://id.example/realms/park # one of auth.issuers; optional if there is only one
#   # name: Park ID # label of the sign-in button; default: the issuer's host
#   # scopes: [openid] # scopes of the authorization request
#   # parameters: { resource: https://hub.example } # additional parameters of the authorization request, such as resource or audience

# Deadline of one operation.
# deadline: ${DEFAULT_DEADLINE / 1_000}s

# Limits and times of the calls to legacy systems; an installation may override single settings.
# guard:
${guardLines()}

# Limits of documents, operations, callers and the process; these are the defaults.
# limits:
${LIMIT_NAMES.map((name) => `#   ${name}: ${DEFAULT_LIMITS[name]} # ${limitDescription(name)}`).join('\n')}

# How long the hub keeps events, the ids that identify repeated events, responses of mutations, meter readings and car park occupancy;
# Default: forever.
# retention: { events: 90d, keys: 180d, answers: 30d, readings: 1825d, occupancy: 730d }

# Digest that links the audit log's entries (sha256 or sm3), how long entries are kept, and a second folder for signed head files;
# Defaults: sha256, forever, none.
# audit: { digest: sha256, retention: 1825d, heads: /mnt/audit-heads }
`;
}

const authSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    audience: { type: ['string', 'array'], items: { type: 'string' }, description: 'Accepted claim aud of a token' },
    demo: { type: 'boolean', description: "Whether tokens of the demo's own issuer are accepted" },
    issuers: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['issuer'],
        properties: {
          issuer: { type: 'string' },
          jwks: { type: 'string' },
          algorithms: { type: 'array', items: { enum: [...ALGORITHMS] } },
          type: {
            type: ['string', 'array'],
            items: { type: 'string' },
            minItems: 1,
            description: 'Header typ of its access tokens, one or more; default: at+jwt',
          },
          rolesClaim: { type: 'string' },
          roles: { type: 'object', additionalProperties: { enum: [...ROLE_NAMES] } },
        },
      },
    },
  },
};

const explorerClientSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['clientId'],
  properties: {
    issuer: { type: 'string', description: 'One of auth.issuers; optional if there is only one' },
    clientId: {
      type: 'string',
      minLength: 1,
      description: 'Public client of the issuer; redirect URI: /explorer/ of the hub',
    },
    name: { type: 'string', minLength: 1, description: "Label of the sign-in button; default: the issuer's host" },
    scopes: {
      type: ['string', 'array'],
      items: { type: 'string' },
      description: 'Scopes of the authorization request; default: openid',
    },
    parameters: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Additional parameters of the authorization request; resource is sent with token requests too',
    },
  },
};

const guardFields = () => Object.entries(guardSettings.fields as Readonly<Record<string, Setting<unknown>>>);

const guardLines = (): string =>
  guardFields()
    .map(([name, setting]) => `#   ${name}: ${setting.example} # ${setting.description}`)
    .join('\n');

const guardSchema = () => ({
  type: 'object',
  additionalProperties: false,
  properties: Object.fromEntries(
    guardFields().flatMap(([name, { schema, description: purpose, formerName }]) => [
      [name, { ...schema, description: purpose }],
      ...(formerName === undefined
        ? []
        : [[formerName, { ...schema, description: `Former name of ${name}`, deprecated: true }]]),
    ]),
  ),
});

/** A JSON Schema of isthmus.yaml, for editors. */
export function settingsSchema(connectors: readonly Described[]): string {
  const installation = (connector: Described) => ({
    type: 'object',
    additionalProperties: false,
    required: [
      'id',
      'park',
      'connector',
      ...fieldsOf(connector)
        .filter(([, field]) => field.required)
        .map(([name]) => name),
    ],
    properties: {
      id: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]{0,62}$' },
      park: { type: 'string' },
      connector: { const: connector.name },
      guard: guardSchema(),
      ...Object.fromEntries(
        fieldsOf(connector).map(([name, field]) => [name, { ...field.schema, description: field.description }]),
      ),
    },
  });
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'isthmus.yaml',
    type: 'object',
    additionalProperties: false,
    required: ['parks'],
    properties: {
      parks: { type: 'array', items: { type: 'object', required: ['id', 'name', 'region'] } },
      installations: { type: 'array', items: { oneOf: connectors.map(installation) } },
      subgraphs: { type: 'object' },
      auth: authSchema,
      anonymous: { enum: ['developer'] },
      origins: {
        type: 'array',
        items: { type: 'string', pattern: '^https?://[^/?#*\\s]+/?$' },
        description: "Web origins, beside the hub's own, whose pages may call the hub",
      },
      explorer: {
        description: 'Whether the explorer is served; a client, or a list of clients: for its sign-in',
        oneOf: [{ type: 'boolean' }, explorerClientSchema, { type: 'array', items: explorerClientSchema }],
      },
      guard: guardSchema(),
      deadline: { type: 'string' },
      limits: {
        type: 'object',
        additionalProperties: false,
        properties: Object.fromEntries(
          LIMIT_NAMES.map((name) => [name, { type: 'integer', minimum: 0, description: limitDescription(name) }]),
        ),
      },
      retention: {
        type: 'object',
        additionalProperties: false,
        properties: Object.fromEntries(RETENTION_NAMES.map((name) => [name, { type: 'string' }])),
      },
      audit: {
        type: 'object',
        additionalProperties: false,
        properties: { digest: { enum: ['sha256', 'sm3'] }, retention: { type: 'string' }, heads: { type: 'string' } },
      },
    },
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** The settings as a Markdown table, one row each. `npm run schema` writes it into the connector's README. */
export function settingsTable<S>(declaration: Settings<S>): string {
  const rows = Object.entries(declaration.fields as Readonly<Record<string, Setting<unknown>>>).map(
    ([name, setting]) => {
      const standard = setting.required
        ? '(required)'
        : setting.defaultValue === null
          ? '(none)'
          : `\`${JSON.stringify(setting.defaultValue)}\``;
      const secrecy = setting.secret ? 'secret, ' : '';
      return `| \`${name}\` | ${setting.description} | ${secrecy}${standard} | \`${setting.example}\` |`;
    },
  );
  return ['| setting | meaning | default | example |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

/** The README with its settings table replaced, between the two marks; unchanged without marks. */
export function withSettingsTable(readme: string, connector: Described): string {
  const from = readme.indexOf(OPEN);
  const to = readme.indexOf(CLOSE);
  if (from < 0 || to < from) return readme;
  return `${readme.slice(0, from + OPEN.length)}\n${settingsTable(connector.settings)}\n${readme.slice(to)}`;
}
