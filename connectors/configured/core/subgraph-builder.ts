/** The graph of one system, as text and resolvers, made from its declaration. */
import { key, LIST_SIZE, requiresScopes } from '../../../schema/graph/directives.ts';
import type { GraphContext, Installed, Known, WrittenGraph, WrittenResolver } from '../../kit/connector.ts';
import { connection, pageOf, paging, scopeOf } from '../../kit/pagination.ts';
import { joinedProvenance, provenance } from '../../kit/provenance.ts';
import { type Owner, PART, type RowRules } from '../../kit/row-rights.ts';
import type { FieldDeclaration, Join } from './declaration.ts';
import type { Row, TypedEntity } from './mapping.ts';
import type { MeshRequest } from './source.ts';

type Context = GraphContext<MeshRequest>;

/** The park's own types: their keys, and what a subgraph says of them. */
const OWN = {
  Building: { key: 'id', line: '"As in isthmus.yaml." id: ID!', text: 'A building of a park.' },
  Company: {
    key: 'uscc',
    line: '"The key that joins the islands." uscc: USCC!',
    text: 'A company, known by its credit code; each island adds what it knows.',
  },
  Park: { key: 'id', line: '"As in isthmus.yaml." id: ID!', text: 'A park of this hub.' },
  Vehicle: {
    key: 'id',
    line: '"Keyed hash of plate and colour; opaque." id: ID!\n  "Null when masked." plate: Plate @external',
    text: 'A vehicle: plate and colour.',
  },
} as const;

/** Text and resolvers. `system` names the subgraph; entities come with the types of their fields. */
export function meshGraph(system: string, entities: readonly TypedEntity[]): WrittenGraph {
  const joins = entities.flatMap((entity) => entity.joins.map((join) => ({ entity, join })));
  const connected = entities.filter((entity) => entity.joins.some((join) => join.many));
  const roots = entities.filter((entity) => entity.byKey !== null);
  const own = new Set<keyof typeof OWN>(joins.map(({ join }) => join.type));
  for (const { link } of entities.flatMap((entity) => entity.fields))
    if (link) own.add(link.split('.')[0] as keyof typeof OWN);

  const text = [
    ...entities.map((entity) => typeText(system, entity)),
    ...connected.map((entity) => connectionText(entity)),
    ...[...own].map((name) => {
      const added = joins.filter(({ join }) => join.type === name);
      const stub = added.length === 0;
      const lines = added.map(({ entity, join }) => joinText(system, entity, join));
      return `${quoted(OWN[name].text)}\ntype ${name} ${key(OWN[name].key, !stub)} {\n  ${[stub ? OWN[name].line.split('\n')[0] : OWN[name].line, ...lines].join('\n  ')}\n}`;
    }),
    ...(roots.length > 0 ? [`type Query {\n${roots.map((entity) => rootText(system, entity)).join('\n')}\n}`] : []),
  ];

  const fields: Record<string, Record<string, WrittenResolver>> = {};
  for (const { entity, join } of joins) {
    fields[join.type] ??= {};
    (fields[join.type] as Record<string, WrittenResolver>)[join.field] = join.many
      ? many(entity, join)
      : single(entity, join);
  }
  if (roots.length > 0) {
    fields['Query'] = Object.fromEntries(
      roots.map((entity) => [
        lower(entity.name),
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
    Building: ({ id }: { id: string }, { parks }) => ({ park: parks.ofBuilding(id) }),
    Company: ({ uscc }: { uscc: string }) => ({ company: uscc }),
    Park: ({ id }: { id: string }) => ({ park: id }),
    // Its plate comes from the parking system, which gives it only to who may see the vehicle.
    Vehicle: PART,
    ...Object.fromEntries(entities.map(({ name }) => [name, ({ owner }: { owner: Owner }) => owner])),
  };
  return { sdl: text.join('\n\n'), fields, references, rows };
}

const quoted = (text: string): string => JSON.stringify(text.replaceAll(/\s+/g, ' ').trim());
const rights = (scopes: readonly string[]): string => (scopes.length > 0 ? ` ${requiresScopes(...scopes)}` : '');
const lower = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);
const all = (...lists: (readonly string[])[]): string[] => [...new Set(lists.flat())];

function typeText(system: string, entity: TypedEntity): string {
  const head = `${quoted(entity.description ?? `${entity.name}, as ${system} has it.`)}\ntype ${entity.name}${entity.byKey ? ` ${key('id')}` : ''}${rights(entity.scopes)} {`;
  const id = entity.key === null ? [] : ['  "Global id." id: ID!'];
  const lines = entity.fields.map(
    (field) =>
      `  ${quoted(field.description ?? `${field.from}, as ${system} has it.`)}\n  ${field.name}: ${typeOf(entity, field)}${rights(field.scopes)}`,
  );
  return [head, ...id, ...lines, '  "Where this comes from." provenance: Provenance!', '}'].join('\n');
}

function typeOf(entity: TypedEntity, field: FieldDeclaration): string {
  const one = field.link ? field.link.split('.')[0] : entity.types.get(field.name);
  return field.list ? `[${one}!]` : String(one);
}

function connectionText({ name, scopes }: TypedEntity): string {
  return `"One row of the list."
type ${name}Edge${rights(scopes)} {
  "Place of this row." cursor: Cursor!
  "The row itself." node: ${name}!
}

"A page of the list."
type ${name}Connection${rights(scopes)} {
  "The rows of this page." nodes: [${name}!]!
  "The rows with their places." edges: [${name}Edge!]!
  "Where this page stands." pageInfo: PageInfo!
  "Rows in the whole list; null where the source cannot tell cheaply." totalCount: Int
  "Where this list comes from, also when it is empty." provenance: Provenance!
}`;
}

function joinText(system: string, entity: TypedEntity, join: Join): string {
  const about = quoted(`${system}: ${join.description ?? entity.description ?? entity.name}`);
  const right = rights(all(entity.scopes, join.scopes));
  const needs = join.type === 'Vehicle' ? ' @requires(fields: "plate")' : '';
  if (!join.many) return `${about}\n  ${join.field}: ${entity.name}${needs}${right}`;
  const page =
    '("How many from the front; 20 when not given, at most 200." first: Int, "Only what follows this place." after: Cursor)';
  const size = LIST_SIZE.replace('["first", "last"]', '["first"]');
  return `${about}\n  ${join.field}${page}: ${entity.name}Connection${needs} ${size}${right}`;
}

const rootText = (system: string, entity: TypedEntity): string =>
  `  ${quoted(`${system}: by id; null when the source has none of it.`)}\n  ${lower(entity.name)}("Global id." id: ID!): ${entity.name}${rights(entity.scopes)}`;

async function byKey(entity: TypedEntity, id: string, context: Context): Promise<object | null> {
  const owner = context.installations.owner(id);
  if (!owner) return null;
  const found = await owner.source.byKey(entity, owner.local);
  return found?.value ? shown(entity, owner, { value: found.value, facts: found.facts }, null, context) : null;
}

/** What a row was found under: one of the park's own entities, or null for its own id. */
type Under = { readonly join: Join; readonly root: Record<string, unknown> } | null;

/**
 * Whose row it is. Of a type that is about companies (by a link or a join) every row is a company's: of those that it links to, and of
 * the one that it was found under. What was found under a vehicle is seen with the vehicle.
 */
function ownerOf(entity: TypedEntity, at: Installed<MeshRequest>, row: Row, under: Under): Owner {
  const links = entity.fields.filter(({ link }) => link === 'Company.uscc');
  const about = links.length > 0 || entity.joins.some(({ type }) => type === 'Company' || type === 'Vehicle');
  if (!about || under?.join.type === 'Vehicle') return { park: at.park };
  const linked = links.flatMap(({ name }) => {
    const value = row.values[name];
    return (Array.isArray(value) ? value : [value]).flatMap(
      (one) => (at.source.linked('Company.uscc', one) as { uscc: string } | null)?.uscc ?? [],
    );
  });
  const found = under?.join.type === 'Company' ? [String(under.root['uscc'])] : [];
  return { park: at.park, company: [...linked, ...found] };
}

/** A row as the graph shows it: its links as keys, its id global. */
function shown(
  entity: TypedEntity,
  at: Installed<MeshRequest>,
  known: Known<Row>,
  under: Under,
  context: Context,
): object {
  const row = known.value;
  const linked = entity.fields.flatMap((field) => {
    const { link } = field;
    if (!link) return [];
    const value = row.values[field.name];
    const one = (each: unknown) => at.source.linked(link, each);
    return [[field.name, Array.isArray(value) ? value.map(one).filter((each) => each !== null) : one(value)]];
  });
  return {
    ...row.values,
    ...Object.fromEntries(linked),
    ...(entity.key === null ? {} : { id: `${at.id}:${row.id}` }),
    owner: ownerOf(entity, at, row, under),
    provenance: provenance({ ...known.facts, recordedAt: row.recordedAt ?? known.facts.recordedAt }, context.clock),
  };
}

/** A natural key is asked of every installation, in parallel, each behind its own guard. */
async function asked(entity: TypedEntity, join: Join, root: Record<string, unknown>, context: Context) {
  const id = root[join.type === 'Company' ? 'uscc' : join.type === 'Vehicle' ? 'plate' : 'id'];
  if (typeof id !== 'string') return [];
  const outcomes = await Promise.allSettled(
    context.installations.all().map(async (at) => ({ at, known: await at.source.joined(entity, join, id) })),
  );
  const fault = outcomes.find((one) => one.status === 'rejected');
  const found = outcomes.flatMap((one) =>
    one.status === 'fulfilled' && one.value.known ? [{ at: one.value.at, known: one.value.known }] : [],
  );
  // A list with a part missing would look whole; one row that was found is right in any case.
  if (fault && (join.many || !found.some((one) => one.known.value.length > 0))) throw fault.reason;
  if (context.rows.all) return found;
  return Promise.all(
    found.map(async ({ at, known }) => {
      const seen = await Promise.all(
        known.value.map((row) => context.rows.sees(ownerOf(entity, at, row, { join, root }))),
      );
      return { at, known: { ...known, value: known.value.filter((_, i) => seen[i]) } };
    }),
  );
}

const single =
  (entity: TypedEntity, join: Join): WrittenResolver =>
  async (root, _args, context: Context) => {
    const found = await asked(entity, join, root, context);
    const rows = found.flatMap(({ at, known }) => known.value.map((row) => ({ at, row, facts: known.facts })));
    // Several rows for one thing: the one recorded last speaks.
    const best = rows.reduce<(typeof rows)[number] | null>((a, b) => (!a || time(b.row) > time(a.row) ? b : a), null);
    return best && shown(entity, best.at, { value: best.row, facts: best.facts }, { join, root }, context);
  };

const time = (row: Row): number => row.recordedAt?.getTime() ?? 0;

const many =
  (entity: TypedEntity, join: Join): WrittenResolver =>
  async (root, args: { first?: number; after?: string }, context: Context) => {
    const scope = scopeOf(`${join.type}.${join.field}`, root['id'] ?? root['uscc']);
    const page = paging(args, context.cursors, scope, { forwardOnly: true });
    const found = await asked(entity, join, root, context);
    if (found.length === 0) return null;
    const rows = found
      .flatMap(({ at, known }) =>
        known.value.map((row, i) => ({ at, row, facts: known.facts, place: `${at.id}:${row.id || i}` })),
      )
      .sort((a, b) => time(b.row) - time(a.row) || (a.place < b.place ? -1 : 1));
    const after = page.place === null ? -1 : rows.findIndex((one) => one.place === page.place?.[0]);
    const read = rows.slice(after + 1, after + 2 + page.size);
    return connection(
      pageOf(
        page,
        read,
        (one) => [one.place],
        async () => rows.length,
      ),
      context.cursors,
      scope,
      (one) => shown(entity, one.at, { value: one.row, facts: one.facts }, { join, root }, context),
      joinedProvenance(
        found.map((one) => one.known.facts),
        context.clock,
      ),
    );
  };
