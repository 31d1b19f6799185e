/** Builds the table of protected fields in docs/security.md from the graph; `isthmus schema` prints it. */
import { buildSchema, type GraphQLObjectType, getNamedType, isObjectType } from 'graphql';
import { mayUnmask, type Principal, UNMASK_SCOPES } from '../../../connectors/kit/auth/principal.ts';
import { ROLE_NAMES, ROLES, type RoleName } from '../../../connectors/kit/auth/roles.ts';
import { readFieldPolicy } from './field-policy.ts';

/**
 * no: null with `FORBIDDEN`. consent: null with `CONSENT_REQUIRED` until the company grants it. masked: null, and the masked twin of
 * the field has a value.
 */
export type AccessLevel = 'yes' | 'no' | 'consent' | 'masked';

export interface RightsRow {
  readonly type: string;
  /** `*`: every field of the type. */
  readonly field: string;
  readonly cells: Readonly<Record<RoleName, AccessLevel>>;
}

/** A principal with this role only, which sees all rows and has no further consents. */
export const rolePrincipal = (role: RoleName): Principal => ({
  subject: role,
  client: role,
  roles: [role],
  scopes: new Set(ROLES[role].scopes),
  parks: null,
  companies: null,
  purpose: null,
  consents: new Set(ROLES[role].consents),
  expires: null,
});

/** Every field that unauthenticated callers may not read, with the access of each role. `api`: SDL of the public graph. */
export function rightsRows(supergraph: string, api: string): RightsRow[] {
  const policy = readFieldPolicy(supergraph);
  const types = Object.values(buildSchema(api).getTypeMap())
    .filter((type): type is GraphQLObjectType => isObjectType(type) && !type.name.startsWith('__'))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const row = (type: string, field: string, returns: string): RightsRow | null => {
    if (policy.rejection({ type, field, returns }, null) === null) return null;
    return {
      type,
      field,
      cells: Object.fromEntries(
        ROLE_NAMES.map((role) => {
          const principal = rolePrincipal(role);
          const rejection = policy.rejection({ type, field, returns }, principal);
          const mask = `${type}.${field}`;
          const open = !(mask in UNMASK_SCOPES) || mayUnmask(principal, mask as keyof typeof UNMASK_SCOPES);
          const cell: AccessLevel = rejection
            ? rejection.code === 'CONSENT_REQUIRED'
              ? 'consent'
              : 'no'
            : open
              ? 'yes'
              : 'masked';
          return [role, cell];
        }),
      ) as Record<RoleName, AccessLevel>,
    };
  };
  return types.flatMap((type) => {
    const whole = row(type.name, '*', '');
    const fields = Object.values(type.getFields()).flatMap((field) => {
      const fieldRow = row(type.name, field.name, getNamedType(field.type).name);
      // A field with the access of its whole type is covered by the type's row.
      const same = fieldRow && whole && ROLE_NAMES.every((role) => fieldRow.cells[role] === whole.cells[role]);
      return fieldRow && !same ? [fieldRow] : [];
    });
    // Masked fields are listed even if nothing else protects them.
    const masks = Object.keys(UNMASK_SCOPES)
      .filter(
        (mask) => mask.startsWith(`${type.name}.`) && !fields.some((field) => `${field.type}.${field.field}` === mask),
      )
      .map((mask) => maskRow(type.name, mask.slice(type.name.length + 1)));
    return [...(whole ? [whole] : []), ...fields, ...masks];
  });
}

const maskRow = (type: string, field: string): RightsRow => ({
  type,
  field,
  cells: Object.fromEntries(
    ROLE_NAMES.map((role) => [
      role,
      mayUnmask(rolePrincipal(role), `${type}.${field}` as keyof typeof UNMASK_SCOPES) ? 'yes' : 'masked',
    ]),
  ) as Record<RoleName, AccessLevel>,
});

const START_MARKER = '<!-- rights -->';
const END_MARKER = '<!-- /rights -->';

/** Replaces the table between the two markers of the document; returns the text unchanged if there are none. */
export function withRightsTable(text: string, rows: readonly RightsRow[]): string {
  const from = text.indexOf(START_MARKER);
  const to = text.indexOf(END_MARKER);
  if (from < 0 || to < from) return text;
  const lines = [
    `| field | ${ROLE_NAMES.join(' | ')} |`,
    `| --- |${' --- |'.repeat(ROLE_NAMES.length)}`,
    ...rows.map(
      ({ type, field, cells }) => `| \`${type}.${field}\` | ${ROLE_NAMES.map((role) => cells[role]).join(' | ')} |`,
    ),
  ];
  return `${text.slice(0, from + START_MARKER.length)}\n${lines.join('\n')}\n${text.slice(to)}`;
}

/** Reads the table from the document: `Type.field` to role to access level. */
export function readRightsTable(text: string): Map<string, Readonly<Record<string, string>>> {
  const lines = text
    .slice(text.indexOf(START_MARKER), text.indexOf(END_MARKER))
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')));
  const head = lines[0] ?? [];
  return new Map(
    lines
      .slice(2)
      .map((cells) => [
        cells[1] ?? '',
        Object.fromEntries(head.flatMap((name, i) => (i > 1 && name ? [[name, cells[i] ?? '']] : []))),
      ]),
  );
}
