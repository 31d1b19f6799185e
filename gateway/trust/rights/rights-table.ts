/** The table of protected fields, drawn from the graph itself: printed into docs/security.md by `isthmus schema`. */
import { buildSchema, type GraphQLObjectType, getNamedType, isObjectType } from 'graphql';
import { type Principal, UNMASKING, unmasked } from '../../../connectors/kit/auth/principal.ts';
import { ROLE_NAMES, ROLES, type RoleName } from '../../../connectors/kit/auth/roles.ts';
import { readPolicy } from './field-policy.ts';

/** yes; no: null with FORBIDDEN; consent: null with CONSENT_REQUIRED until the company grants it; masked: null, the twin is filled. */
export type Cell = 'yes' | 'no' | 'consent' | 'masked';

export interface RightsRow {
  readonly type: string;
  /** `*`: every field of the type. */
  readonly field: string;
  readonly cells: Readonly<Record<RoleName, Cell>>;
}

/** A principal of the role that sees all rows and to whom nothing more was granted than the role itself brings. */
export const plainPrincipal = (role: RoleName): Principal => ({
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

/** Every field that needs more than nobody has, with what each role gets. `api` is the public graph. */
export function rightsRows(supergraph: string, api: string): RightsRow[] {
  const policy = readPolicy(supergraph);
  const types = Object.values(buildSchema(api).getTypeMap())
    .filter((one): one is GraphQLObjectType => isObjectType(one) && !one.name.startsWith('__'))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const row = (type: string, field: string, returns: string): RightsRow | null => {
    if (policy.refused({ type, field, returns }, null) === null) return null;
    return {
      type,
      field,
      cells: Object.fromEntries(
        ROLE_NAMES.map((role) => {
          const principal = plainPrincipal(role);
          const refusal = policy.refused({ type, field, returns }, principal);
          const mask = `${type}.${field}`;
          const open = !(mask in UNMASKING) || unmasked(principal, mask as keyof typeof UNMASKING);
          const cell: Cell = refusal
            ? refusal.code === 'CONSENT_REQUIRED'
              ? 'consent'
              : 'no'
            : open
              ? 'yes'
              : 'masked';
          return [role, cell];
        }),
      ) as Record<RoleName, Cell>,
    };
  };
  return types.flatMap((type) => {
    const whole = row(type.name, '*', '');
    const fields = Object.values(type.getFields()).flatMap((field) => {
      const one = row(type.name, field.name, getNamedType(field.type).name);
      // A field that is only as protected as its whole type is told by the type's own row.
      const same = one && whole && ROLE_NAMES.every((role) => one.cells[role] === whole.cells[role]);
      return one && !same ? [one] : [];
    });
    // Masks stand on fields of types that need rights of their own, or on none: they are told in any case.
    const masks = Object.keys(UNMASKING)
      .filter((mask) => mask.startsWith(`${type.name}.`) && !fields.some((one) => `${one.type}.${one.field}` === mask))
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
      unmasked(plainPrincipal(role), `${type}.${field}` as keyof typeof UNMASKING) ? 'yes' : 'masked',
    ]),
  ) as Record<RoleName, Cell>,
});

const OPEN = '<!-- rights -->';
const CLOSE = '<!-- /rights -->';

/** The document with its table drawn anew between the two marks. */
export function withRightsTable(text: string, rows: readonly RightsRow[]): string {
  const from = text.indexOf(OPEN);
  const to = text.indexOf(CLOSE);
  if (from < 0 || to < from) return text;
  const lines = [
    `| field | ${ROLE_NAMES.join(' | ')} |`,
    `| --- |${' --- |'.repeat(ROLE_NAMES.length)}`,
    ...rows.map(
      ({ type, field, cells }) => `| \`${type}.${field}\` | ${ROLE_NAMES.map((role) => cells[role]).join(' | ')} |`,
    ),
  ];
  return `${text.slice(0, from + OPEN.length)}\n${lines.join('\n')}\n${text.slice(to)}`;
}

/** The table as it stands in the document: `Type.field` to role to cell. */
export function readRightsTable(text: string): Map<string, Readonly<Record<string, string>>> {
  const lines = text
    .slice(text.indexOf(OPEN), text.indexOf(CLOSE))
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
