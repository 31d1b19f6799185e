/** isthmus.example.yaml, its JSON Schema and the settings tables of the READMEs: all printed from the declarations. */

import { ROLE_NAMES } from '../auth/roles.ts';
import type { AnyConnector, AnyFamily } from '../connector.ts';
import { ALGORITHMS } from './sections/auth.ts';
import { guardSettings } from './sections/guard.ts';
import { DEFAULT_LIMITS, LIMIT_NAMES, limitPurpose } from './sections/limits.ts';
import { RETENTION_NAMES } from './sections/retention.ts';
import { type Setting, settingsTable } from './settings.ts';

const OPEN = '<!-- settings -->';
const CLOSE = '<!-- /settings -->';

type Described = AnyConnector | AnyFamily;

const fieldsOf = (connector: Described) =>
  Object.entries(connector.settings.fields as Readonly<Record<string, Setting<unknown>>>);

/** The example file: every setting of every connector, with its purpose. */
export function exampleYaml(islands: readonly Described[]): string {
  const installations = islands.map((connector) => {
    const lines = fieldsOf(connector).map(([name, one]) => {
      const variable = `LAKESIDE_${connector.name}_${name}`.toUpperCase().replaceAll('-', '_');
      // A secret keeps its shape: a mapping of headers stays one.
      const value = one.secret ? one.example.replace(/\$\{\w+\}/, `\${${variable}}`) : one.example;
      const shown = value === '' ? '""' : value;
      return one.required ? `    ${name}: ${shown} # ${one.purpose}` : `    # ${name}: ${shown} # ${one.purpose}`;
    });
    return [
      `  - id: lakeside-${connector.name}`,
      '    park: lakeside',
      `    connector: ${connector.name}`,
      ...lines,
    ].join('\n');
  });
  return `# Isthmus: parks and the legacy systems in them. Printed from the settings' own declarations by \`isthmus schema\`.
# Secrets come from the environment by \${NAME}; \${NAME:-default} gives a default.
# A setting behind # may be left out. Without the # it is set; one alone, several and all together are accepted.
parks:
  - id: lakeside
    name: Lakeside Software Park
    region: "500112" # GB/T 2260
    kind: SOFTWARE
    buildings:
      - { id: lakeside-b01, name: Tower 1, floorArea: "12000", known: [B01] } # known: what the legacy systems call it

installations:
${installations.join('\n\n')}

# Connectors in a process of their own (isthmus connector NAME):
# subgraphs:
#   parking: { url: "http://127.0.0.1:4101" }

# Whose tokens are taken: signed by the issuer's own keys, made for this hub, access tokens only.
# auth:
#   audience: https://hub.example # whom its tokens are made for; must be given where issuers are
#   issuers:
#     - issuer: https://id.example/realms/park # as in the token's claim iss; its keys are found by OIDC discovery
#       # jwks: https://id.example/realms/park/protocol/openid-connect/certs # address of its keys, where there is no discovery
#       # algorithms: [RS256, ES256, EdDSA]
#       # type: at+jwt # header typ of its access tokens (RFC 9068); a list takes several: [at+jwt, JWT] for Keycloak, Entra ID and the like
#       # rolesClaim: realm_access.roles # claim that names the roles
#       # roles: { park-manager: operator, egov: portal } # its words for operator, portal, analyst, developer, company

# The role of a caller from this machine without a token; absent: such a caller is nobody.
# anonymous: developer

# Web pages that may use the hub beside its own, by their exact origin; absent: none.
# origins: [https://app.example]

# The explorer at /explorer/: false: not served; absent or true: served where somebody can sign in (auth) or the anonymous role is set,
# by a token that people paste. With a client people sign in at the issuer; for several issuers, a list of clients. Needs the section auth.
# explorer:
#   clientId: isthmus-explorer # must be given: a public client (authorization code, PKCE S256) whose redirect address is https://hub.example/explorer/
#   # issuer: https://id.example/realms/park # one of auth.issuers; may be left out where there is one
#   # name: Park ID # what the button says; absent: the issuer's host
#   # scopes: [openid] # scopes that are asked for
#   # parameters: { resource: https://hub.example } # further parameters of the authorization request, such as resource or audience

# How long one operation may take.
# deadline: 3s

# What stands around every call to a legacy system; also in one installation, over this.
# guard:
${guardLines()}

# What one document, one operation and one caller may use; absent ones have these values.
# limits:
${LIMIT_NAMES.map((name) => `#   ${name}: ${DEFAULT_LIMITS[name]} # ${limitPurpose(name)}`).join('\n')}

# How long the hub keeps its event log, the ids by which an event sent again is known, the answers of mutations, meters' readings and the
# occupancy of car parks; absent: for ever.
# retention: { events: 90d, keys: 180d, answers: 30d, readings: 1825d, occupancy: 730d }

# What links the entries of the audit log (sha256 or sm3), how long they are kept, and a second folder for its signed heads; absent:
# sha256, for ever, none.
# audit: { digest: sha256, retention: 1825d, heads: /mnt/audit-heads }
`;
}

const authSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    audience: { type: ['string', 'array'], items: { type: 'string' }, description: 'Whom a token must be made for' },
    demo: { type: 'boolean', description: "Whether tokens of the demo's own issuer are taken" },
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
            description: 'Header typ of its access tokens, one or several; absent: at+jwt',
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
    issuer: { type: 'string', description: 'One of auth.issuers; may be left out where there is one' },
    clientId: {
      type: 'string',
      minLength: 1,
      description: 'Public client at the issuer; redirect address: /explorer/ of the hub',
    },
    name: { type: 'string', minLength: 1, description: "What the button says; absent: the issuer's host" },
    scopes: {
      type: ['string', 'array'],
      items: { type: 'string' },
      description: 'Scopes that are asked for; absent: openid',
    },
    parameters: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Further parameters of the authorization request; resource is sent with token requests too',
    },
  },
};

const guardFields = () => Object.entries(guardSettings.fields as Readonly<Record<string, Setting<unknown>>>);

const guardLines = (): string =>
  guardFields()
    .map(([name, one]) => `#   ${name}: ${one.example} # ${one.purpose}`)
    .join('\n');

const guardSchema = () => ({
  type: 'object',
  additionalProperties: false,
  properties: Object.fromEntries(
    guardFields().map(([name, one]) => [name, { ...one.schema, description: one.purpose }]),
  ),
});

/** A JSON Schema of isthmus.yaml, for editors. */
export function settingsSchema(islands: readonly Described[]): string {
  const one = (connector: Described) => ({
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
        fieldsOf(connector).map(([name, field]) => [name, { ...field.schema, description: field.purpose }]),
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
      installations: { type: 'array', items: { oneOf: islands.map(one) } },
      subgraphs: { type: 'object' },
      auth: authSchema,
      anonymous: { enum: ['developer'] },
      origins: {
        type: 'array',
        items: { type: 'string', pattern: '^https?://[^/?#*\\s]+/?$' },
        description: 'Web pages that may use the hub beside its own, by their exact origin',
      },
      explorer: {
        description: 'Whether the explorer is served; a client, or a list of them: where people sign in to it',
        oneOf: [{ type: 'boolean' }, explorerClientSchema, { type: 'array', items: explorerClientSchema }],
      },
      guard: guardSchema(),
      deadline: { type: 'string' },
      limits: {
        type: 'object',
        additionalProperties: false,
        properties: Object.fromEntries(
          LIMIT_NAMES.map((name) => [name, { type: 'integer', minimum: 0, description: limitPurpose(name) }]),
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

/** The README with its settings table made anew between the two marks. */
export function withSettingsTable(readme: string, connector: Described): string {
  const from = readme.indexOf(OPEN);
  const to = readme.indexOf(CLOSE);
  if (from < 0 || to < from) return readme;
  return `${readme.slice(0, from + OPEN.length)}\n${settingsTable(connector.settings)}\n${readme.slice(to)}`;
}
