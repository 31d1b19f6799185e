/**
 * The last pass: from the data that was brought together to the answer, exactly as the client's document says. Aliases,
 * fragments, conditions, abstract types, refused fields, and nulls that climb to the nearest nullable parent.
 */
import {
  type DocumentNode,
  type FieldNode,
  type GraphQLEnumType,
  type GraphQLFormattedError,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isAbstractType,
  isEnumType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import type { Path, Tree } from './data.ts';
import { type Refusal, type Refuse, refusalOf } from './document.ts';

interface Condition {
  readonly variable: string | null;
  readonly constant: boolean;
  /** True for `@include`, false for `@skip`. */
  readonly wanted: boolean;
}
type Conditions = readonly Condition[];

interface Source {
  readonly set: SelectionSetNode;
  readonly when: Conditions;
}

interface FieldShape {
  readonly key: string;
  readonly name: string;
  readonly type: GraphQLOutputType | null;
  /** The field stands when one of these lists holds whole. */
  readonly when: readonly Conditions[];
  readonly always: boolean;
  readonly inner: Shape | null;
  readonly refusal: Refusal | null;
}

/** The shape of one selection set, worked out per concrete type at first use. */
export class Shape {
  readonly #parts: { schema: GraphQLSchema; document: DocumentNode; refuse: Refuse | null };
  readonly #sources: readonly Source[];
  readonly #fields = new Map<string, readonly FieldShape[]>();
  readonly type: GraphQLOutputType;

  constructor(
    parts: { schema: GraphQLSchema; document: DocumentNode; refuse: Refuse | null },
    type: GraphQLOutputType,
    sources: readonly Source[],
  ) {
    this.#parts = parts;
    this.#sources = sources;
    this.type = type;
  }

  fields(type: GraphQLObjectType): readonly FieldShape[] {
    let known = this.#fields.get(type.name);
    if (!known) {
      known = this.#collect(type);
      this.#fields.set(type.name, known);
    }
    return known;
  }

  #collect(type: GraphQLObjectType): FieldShape[] {
    const { schema, document, refuse } = this.#parts;
    const groups = new Map<string, { nodes: { node: FieldNode; when: Conditions }[] }>();
    const take = (set: SelectionSetNode, when: Conditions): void => {
      for (const one of set.selections) {
        const conditions = [...when, ...conditionsOf(one)];
        if (one.kind === Kind.FIELD) {
          const key = (one.alias ?? one.name).value;
          const group = groups.get(key) ?? { nodes: [] };
          group.nodes.push({ node: one, when: conditions });
          groups.set(key, group);
          continue;
        }
        const fragment =
          one.kind === Kind.INLINE_FRAGMENT
            ? one
            : document.definitions.find(
                (each) => each.kind === Kind.FRAGMENT_DEFINITION && each.name.value === one.name.value,
              );
        if (!fragment || !('selectionSet' in fragment) || !('typeCondition' in fragment)) continue;
        const condition = fragment.typeCondition?.name.value;
        if (condition === undefined || fitsType(schema, condition, type)) take(fragment.selectionSet, conditions);
      }
    };
    for (const { set, when } of this.#sources) take(set, when);
    return [...groups].map(([key, { nodes }]) => {
      const name = (nodes[0] as { node: FieldNode }).node.name.value;
      const field = name.startsWith('__') ? undefined : type.getFields()[name];
      const sources = nodes.flatMap(({ node, when }) => (node.selectionSet ? [{ set: node.selectionSet, when }] : []));
      return {
        key,
        name,
        type: field?.type ?? null,
        when: nodes.map((one) => one.when),
        always: nodes.some((one) => one.when.length === 0),
        inner: field && sources.length > 0 ? new Shape(this.#parts, field.type, sources) : null,
        refusal: refuse && field ? refusalOf(schema, type.name, name, refuse) : null,
      };
    });
  }
}

function fitsType(schema: GraphQLSchema, condition: string, type: GraphQLObjectType): boolean {
  if (condition === type.name) return true;
  const wanted = schema.getType(condition);
  return isAbstractType(wanted) && schema.isSubType(wanted, type);
}

function conditionsOf(node: { readonly directives?: FieldNode['directives'] }): Condition[] {
  return (node.directives ?? []).flatMap((directive): Condition[] => {
    const name = directive.name.value;
    if (name !== 'skip' && name !== 'include') return [];
    const value = directive.arguments?.find((one) => one.name.value === 'if')?.value;
    if (value?.kind === Kind.VARIABLE)
      return [{ variable: value.name.value, constant: false, wanted: name === 'include' }];
    return [
      { variable: null, constant: value?.kind === Kind.BOOLEAN ? value.value : false, wanted: name === 'include' },
    ];
  });
}

export function shapeOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  refuse: Refuse | null,
): Shape {
  const root = schema.getRootType(operation.operation);
  if (!root) throw new Error(`The graph has no ${operation.operation}.`);
  return new Shape({ schema, document, refuse }, root, [{ set: operation.selectionSet, when: [] }]);
}

/** A fault at a place, as the fetches found it. */
export interface PlacedError {
  readonly message: string;
  readonly path: Path;
  readonly extensions?: Readonly<Record<string, unknown>> | undefined;
}

/** A null that the parent must take up. */
const CLIMB = Symbol('climb');

/** Writes the answer. `found` are the faults of fetches; only those that a client can see at their path are told. */
export function write(
  shape: Shape,
  schema: GraphQLSchema,
  root: GraphQLObjectType,
  data: Tree,
  variables: Readonly<Record<string, unknown>>,
  found: readonly PlacedError[],
): { data: Tree | null; errors: GraphQLFormattedError[] } {
  const errors: PlacedError[] = [];
  const places = new Set(found.map((one) => JSON.stringify(one.path)));
  /** Whether a fault at this place or below it explains the null. */
  const explained = (path: Path): boolean => {
    const mark = JSON.stringify(path);
    if (places.has(mark)) return true;
    const open = `${mark.slice(0, -1)},`;
    for (const one of places) if (one.startsWith(open)) return true;
    return false;
  };
  const holds = (when: readonly Conditions[]): boolean =>
    when.some((all) =>
      all.every((one) => (one.variable === null ? one.constant : variables[one.variable] === true) === one.wanted),
    );

  const object = (value: Tree, type: GraphQLObjectType, inner: Shape, path: Path): Tree | typeof CLIMB => {
    const made = Object.create(null) as Tree;
    for (const field of inner.fields(type)) {
      if (!field.always && !holds(field.when)) continue;
      if (field.name === '__typename') {
        made[field.key] = type.name;
        continue;
      }
      // Introspection is answered elsewhere and stands in the data already.
      if (field.type === null) {
        if (field.name === '__schema' || field.name === '__type') made[field.key] = value[field.key];
        continue;
      }
      const at = [...path, field.key];
      if (field.refusal)
        errors.push({ message: field.refusal.message, path: at, extensions: { code: field.refusal.code } });
      const written = complete(
        field.refusal ? null : value[field.key],
        field.type,
        field.inner,
        at,
        field.refusal !== null,
      );
      if (written === CLIMB) return CLIMB;
      made[field.key] = written;
    }
    return made;
  };

  const complete = (
    value: unknown,
    type: GraphQLOutputType,
    inner: Shape | null,
    path: Path,
    told: boolean,
  ): unknown => {
    if (isNonNullType(type)) {
      const written = complete(value, type.ofType, inner, path, told);
      if (written !== null) return written;
      if (!told && !explained(path) && !errors.some((one) => below(one.path, path))) {
        errors.push({
          message: 'A source gave null where the graph promises a value.',
          path,
          extensions: { code: 'SOURCE_MALFORMED' },
        });
      }
      return CLIMB;
    }
    if (value === null || value === undefined) return null;
    if (isListType(type)) {
      if (!Array.isArray(value)) return malformed(path);
      const made: unknown[] = [];
      for (let i = 0; i < value.length; i++) {
        const written = complete(value[i], type.ofType, inner, [...path, i], told);
        if (written === CLIMB) return null;
        made.push(written);
      }
      return made;
    }
    if (isLeafType(type)) {
      if (isEnumType(type) && !isKnown(type, value)) return malformed(path);
      return value;
    }
    if (typeof value !== 'object' || Array.isArray(value) || !inner) return malformed(path);
    const tree = value as Tree;
    const concrete = isObjectType(type) ? type : schema.getType(String(tree['__typename']));
    if (!isObjectType(concrete) || (isAbstractType(type) && !schema.isSubType(type, concrete))) return malformed(path);
    const written = object(tree, concrete, inner, path);
    return written === CLIMB ? null : written;
  };

  const malformed = (path: Path): null => {
    if (!explained(path))
      errors.push({
        message: 'A source gave a value that does not fit the graph.',
        path,
        extensions: { code: 'SOURCE_MALFORMED' },
      });
    return null;
  };

  const written = object(data, root, shape, []);
  const answer = written === CLIMB ? null : written;
  const told = new Set<string>();
  const visible = [...found.filter((one) => reaches(answer, one.path)), ...errors].filter((one) => {
    const mark = JSON.stringify([one.path, one.extensions?.['code']]);
    if (told.has(mark)) return false;
    told.add(mark);
    return true;
  });
  return {
    data: answer,
    errors: visible.map(({ message, path, extensions }) => ({
      message,
      path,
      ...(extensions ? { extensions: { ...extensions } } : {}),
    })),
  };
}

const isKnown = (type: GraphQLEnumType, value: unknown): boolean => type.getValue(String(value)) !== undefined;

const below = (path: Path, ancestor: Path): boolean =>
  path.length >= ancestor.length && ancestor.every((step, i) => path[i] === step);

/** Whether the place stands in the answer, or below something that became null there. */
function reaches(answer: Tree | null, path: Path): boolean {
  let at: unknown = answer;
  for (const step of path) {
    if (at === null) return true;
    if (typeof at !== 'object') return false;
    if (Array.isArray(at)) {
      if (typeof step !== 'number' || step >= at.length) return false;
      at = at[step];
    } else {
      if (!(step in (at as Tree))) return false;
      at = (at as Tree)[step];
    }
  }
  return true;
}
