/** Builds the subgraph of one system, SDL and resolvers, from its declared entities. */
import { key, LIST_SIZE, requiresScopes } from '../../../schema/graph/directives.ts';
import { type Owner, PART, type RowRules } from '../../kit/auth/row-rights.ts';
import type { GraphContext, InstallationHandle, SdlGraph, SdlResolver, Sourced } from '../../kit/connector.ts';
import { cursorScope } from '../../kit/cursor.ts';
import { parsePageArguments, toConnection, toPage } from '../../kit/pagination.ts';
import { joinedProvenance, provenance } from '../../kit/provenance.ts';
import type { FieldDeclaration, Join } from './declaration.ts';
import type { Row, TypedEntity } from './mapping.ts';
import type { ConfiguredRequest } from './source.ts';

type Context = GraphContext<ConfiguredRequest>;

/** The park's types that entities extend or link to: key, key field and description in the subgraph. */
const PARK_TYPES = {
  Building: { key: 'id', line: '"Id in isthmus.yaml." id: ID!', text: 'A building of a park.' },
  Company: {
    key: 'uscc',
    line: '"Credit code (USCC), the key that joins the sources." uscc: USCC!',
    text: 'A company, identified by its credit code (USCC). Each source adds its own fields.',
  },
  Park: { key: 'id', line: '"Id in isthmus.yaml." id: ID!', text: 'A park, as declared in isthmus.yaml.' },
  Vehicle: {
    key: 'id',
    line: '"Opaque id: a keyed hash of plate and colour." id: ID!\n  "Null if masked." plate: Plate @external',
    text: 'A vehicle, identified by plate and colour.',
  },
} as const;

/** `system`: name of the subgraph. */
export function buildSubgraph(system: string, entities: readonly TypedEntity[]): SdlGraph {
  const joins = entities.flatMap((entity) => entity.joins.map((join) => ({ entity, join })));
  const connected = entities.filter((entity) => entity.joins.some((join) => join.many));
  const roots = entities.filter((entity) => entity.byKey !== null);
  const own = new Set<keyof typeof PARK_TYPES>(joins.map(({ join }) => join.type));
  for (const { link } of entities.flatMap((entity) => entity.fields))
    if (link) own.add(link.split('.')[0] as keyof typeof PARK_TYPES);

  const text = [
    ...entities.map((entity) => typeText(system, entity)),
    ...connected.map((entity) => connectionText(entity)),
    ...[...own].map((name) => {
      const added = joins.filter(({ join }) => join.type === name);
      const stub = added.length === 0;
      const lines = added.map(({ entity, join }) => joinText(system, entity, join));
      return `${quoteDescription(PARK_TYPES[name].text)}\ntype ${name} ${key(PARK_TYPES[name].key, !stub)} {\n  ${[stub ? PARK_TYPES[name].line.split('\n')[0] : PARK_TYPES[name].line, ...lines].join('\n  ')}\n}`;
    }),
    ...(roots.length > 0 ? [`type Query {\n${roots.map((entity) => rootText(system, entity)).join('\n')}\n}`] : []),
  ];

  const fields: Record<string, Record<string, SdlResolver>> = {};
  for (const { entity, join } of joins) {
    fields[join.type] ??= {};
    (fields[join.type] as Record<string, SdlResolver>)[join.field] = join.many
      ? connectionResolver(entity, join)
      : singleResolver(entity, join);
  }
  if (roots.length > 0) {
    fields['Query'] = Object.fromEntries(
      roots.map((entity) => [
        lowerFirst(entity.name),
        (_root: unknown, args: { id: string }, context: Context) => byKey(entity, args.id, context),
      ]),
    );
  }
  for (const entity of connected) {
    fields[`${entity.name}Connection`] = {
      totalCount: (root: { totalCount?: () => unknown }) => root.totalCount?.() ?? null,
    };
  }
  const references = Object.fromEntries(
    roots.map((entity) => [
      entity.name,
      (reference: { id: string }, context: Context) => byKey(entity, reference.id, context),
    ]),
  );
  const rows: RowRules = {
    Building: ({ id }: { id: string }, { parks }) => ({ park: parks.parkOfBuilding(id) }),
    Company: ({ uscc }: { uscc: string }) => ({ company: uscc }),
    Park: ({ id }: { id: string }) => ({ park: id }),
    // Not a row of its own: the parking system returns its plate only to callers who may see the vehicle.
    Vehicle: PART,
    ...Object.fromEntries(entities.map(({ name }) => [name, ({ owner }: { owner: Owner }) => owner])),
  };
  return { sdl: text.join('\n\n'), fields, references, rows };
}

const quoteDescription = (text: string): string => JSON.stringify(text.replaceAll(/\s+/g, ' ').trim());
const scopesDirective = (scopes: readonly string[]): string =>
  scopes.length > 0 ? ` ${requiresScopes(...scopes)}` : '';
const lowerFirst = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);
const unique = (...lists: (readonly string[])[]): string[] => [...new Set(lists.flat())];

function typeText(system: string, entity: TypedEntity): string {
  const head = `${quoteDescription(entity.description ?? `${entity.name} of ${system}.`)}\ntype ${entity.name}${entity.byKey ? ` ${key('id')}` : ''}${scopesDirective(entity.scopes)} {`;
  const id = entity.key === null ? [] : ['  "Global id." id: ID!'];
  const lines = entity.fields.map(
    (field) =>
      `  ${quoteDescription(field.description ?? `${field.from} of ${system}.`)}\n  ${field.name}: ${typeOf(entity, field)}${scopesDirective(field.scopes)}`,
  );
  return [head, ...id, ...lines, '  "Source and age of this record." provenance: Provenance!', '}'].join('\n');
}

function typeOf(entity: TypedEntity, field: FieldDeclaration): string {
  const type = field.link ? field.link.split('.')[0] : entity.types.get(field.name);
  return field.list ? `[${type}!]` : String(type);
}

function connectionText({ name, scopes }: TypedEntity): string {
  return `"A row of the list with its cursor."
type ${name}Edge${scopesDirective(scopes)} {
  "Cursor of the row." cursor: Cursor!
  "The row." node: ${name}!
}

"A page of the list."
type ${name}Connection${scopesDirective(scopes)} {
  "The rows of this page." nodes: [${name}!]!
  "The rows of this page with their cursors." edges: [${name}Edge!]!
  "Position of this page in the list." pageInfo: PageInfo!
  "Number of rows in the whole list; null if the source cannot count them efficiently." totalCount: Int
  "Provenance of this list, also if it is empty." provenance: Provenance!
}`;
}

function joinText(system: string, entity: TypedEntity, join: Join): string {
  const description = quoteDescription(`${system}: ${join.description ?? entity.description ?? entity.name}`);
  const scopes = scopesDirective(unique(entity.scopes, join.scopes));
  const requires = join.type === 'Vehicle' ? ' @requires(fields: "plate")' : '';
  if (!join.many) return `${description}\n  ${join.field}: ${entity.name}${requires}${scopes}`;
  const paging =
    '("Number of rows from the start; default 20, at most 200." first: Int, "Only rows after this cursor." after: Cursor)';
  const size = LIST_SIZE.replace('["first", "last"]', '["first"]');
  return `${description}\n  ${join.field}${paging}: ${entity.name}Connection${requires} ${size}${scopes}`;
}

const rootText = (system: string, entity: TypedEntity): string =>
  `  ${quoteDescription(`${entity.name} of ${system} by id; null if there is none.`)}\n  ${lowerFirst(entity.name)}("Global id." id: ID!): ${entity.name}${scopesDirective(entity.scopes)}`;

async function byKey(entity: TypedEntity, id: string, context: Context): Promise<object | null> {
  const owner = context.installations.byGlobalId(id);
  if (!owner) return null;
  const found = await owner.source.byKey(entity, owner.local);
  return found?.value ? presentRow(entity, owner, { value: found.value, facts: found.facts }, null, context) : null;
}

/** The entity of the park through which a row was reached; null: by its own id. */
type JoinOrigin = { readonly join: Join; readonly root: Record<string, unknown> } | null;

/**
 * The owner of a row, for row rights. If the type is linked or joined to companies, every row belongs to companies: those it links to
 * and the one it was reached through. A row reached through a vehicle is visible with the vehicle.
 */
function ownerOf(
  entity: TypedEntity,
  installation: InstallationHandle<ConfiguredRequest>,
  row: Row,
  origin: JoinOrigin,
): Owner {
  const links = entity.fields.filter(({ link }) => link === 'Company.uscc');
  const belongsToCompanies =
    links.length > 0 || entity.joins.some(({ type }) => type === 'Company' || type === 'Vehicle');
  if (!belongsToCompanies || origin?.join.type === 'Vehicle') return { park: installation.park };
  const linked = links.flatMap(({ name }) => {
    const value = row.values[name];
    return (Array.isArray(value) ? value : [value]).flatMap(
      (item) => (installation.source.linked('Company.uscc', item) as { uscc: string } | null)?.uscc ?? [],
    );
  });
  const found = origin?.join.type === 'Company' ? [String(origin.root['uscc'])] : [];
  return { park: installation.park, company: [...linked, ...found] };
}

/** A row as a GraphQL object: links as entity keys, the id as a global id. */
function presentRow(
  entity: TypedEntity,
  installation: InstallationHandle<ConfiguredRequest>,
  sourced: Sourced<Row>,
  origin: JoinOrigin,
  context: Context,
): object {
  const row = sourced.value;
  const linked = entity.fields.flatMap((field) => {
    const { link } = field;
    if (!link) return [];
    const value = row.values[field.name];
    const resolve = (item: unknown) => installation.source.linked(link, item);
    return [[field.name, Array.isArray(value) ? value.map(resolve).filter((key) => key !== null) : resolve(value)]];
  });
  return {
    ...row.values,
    ...Object.fromEntries(linked),
    ...(entity.key === null ? {} : { id: `${installation.id}:${row.id}` }),
    owner: ownerOf(entity, installation, row, origin),
    provenance: provenance({ ...sourced.facts, recordedAt: row.recordedAt ?? sourced.facts.recordedAt }, context.clock),
  };
}

/** Queries every installation in parallel, since any of them may have rows for the park's entity. Returns only rows that the caller may see. */
async function queryInstallations(entity: TypedEntity, join: Join, root: Record<string, unknown>, context: Context) {
  const id = root[join.type === 'Company' ? 'uscc' : join.type === 'Vehicle' ? 'plate' : 'id'];
  if (typeof id !== 'string') return [];
  const outcomes = await Promise.allSettled(
    context.installations
      .all()
      .map(async (installation) => ({ installation, sourced: await installation.source.joined(entity, join, id) })),
  );
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  const found = outcomes.flatMap((outcome) =>
    outcome.status === 'fulfilled' && outcome.value.sourced
      ? [{ installation: outcome.value.installation, sourced: outcome.value.sourced }]
      : [],
  );
  // A partial list would look complete; a single row is correct even if another installation failed.
  if (failed && (join.many || !found.some(({ sourced }) => sourced.value.length > 0))) throw failed.reason;
  if (context.rows.seesAll) return found;
  return Promise.all(
    found.map(async ({ installation, sourced }) => {
      const isVisible = await Promise.all(
        sourced.value.map((row) => context.rows.maySee(ownerOf(entity, installation, row, { join, root }))),
      );
      return { installation, sourced: { ...sourced, value: sourced.value.filter((_, i) => isVisible[i]) } };
    }),
  );
}

const singleResolver =
  (entity: TypedEntity, join: Join): SdlResolver =>
  async (root, _args, context: Context) => {
    const found = await queryInstallations(entity, join, root, context);
    const rows = found.flatMap(({ installation, sourced }) =>
      sourced.value.map((row) => ({ installation, row, facts: sourced.facts })),
    );
    // Of several rows, the one recorded last is returned.
    const latest = rows.reduce<(typeof rows)[number] | null>((a, b) => (!a || time(b.row) > time(a.row) ? b : a), null);
    return (
      latest &&
      presentRow(entity, latest.installation, { value: latest.row, facts: latest.facts }, { join, root }, context)
    );
  };

const time = (row: Row): number => row.recordedAt?.getTime() ?? 0;

const connectionResolver =
  (entity: TypedEntity, join: Join): SdlResolver =>
  async (root, args: { first?: number; after?: string }, context: Context) => {
    const scope = cursorScope(`${join.type}.${join.field}`, root['id'] ?? root['uscc']);
    const page = parsePageArguments(args, context.cursors, scope, { forwardOnly: true });
    const found = await queryInstallations(entity, join, root, context);
    if (found.length === 0) return null;
    const rows = found
      .flatMap(({ installation, sourced }) =>
        sourced.value.map((row, i) => ({
          installation,
          row,
          facts: sourced.facts,
          place: `${installation.id}:${row.id || i}`,
        })),
      )
      .sort((a, b) => time(b.row) - time(a.row) || (a.place < b.place ? -1 : 1));
    const after = page.position === null ? -1 : rows.findIndex((row) => row.place === page.position?.[0]);
    const read = rows.slice(after + 1, after + 2 + page.size);
    return toConnection(
      toPage(
        page,
        read,
        (item) => [item.place],
        async () => rows.length,
      ),
      context.cursors,
      scope,
      (item) => presentRow(entity, item.installation, { value: item.row, facts: item.facts }, { join, root }, context),
      joinedProvenance(
        found.map(({ sourced }) => sourced.facts),
        context.clock,
      ),
    );
  };
