/**
 * The last pass: from the data that was brought together to the answer, exactly as the client's document says. Aliases,
 * fragments, abstract types, refused fields, and nulls that climb to the nearest nullable parent.
 */
import { type GraphQLFormattedError, type GraphQLObjectType, isObjectType } from 'graphql';
import type { Composite } from '../plan/normalized-selection.ts';
import type { Path, Tree } from '../response-data.ts';
import { clientPath, type PlacedError, Places } from './error-placement.ts';
import type { Selection, ValueShape } from './response-shape.ts';

/** A null that the parent must take up. */
const CLIMB = Symbol('climb');

/** A place in the answer, innermost step first; made into a path only for faults. */
interface Link {
  readonly up: Link | null;
  readonly step: string | number;
}

export interface Written {
  readonly data: Tree | null;
  readonly errors: readonly GraphQLFormattedError[];
}

/**
 * Writes the answer. `found` are the faults of fetches, by their places in the merged data; only those of fields that
 * the client asked for are told. `own`: root fields that stand already under the client's keys, with their faults.
 */
export function write(
  shape: Selection,
  root: GraphQLObjectType,
  data: Tree,
  found: readonly PlacedError[],
  own: { readonly data: Tree; readonly errors: readonly PlacedError[] } | null,
): Written {
  const places = new Places();
  const spare = new Places();
  for (const one of found) {
    const place = clientPath(shape, root, data, one);
    if (place) (place.spare ? spare : places).add({ ...one, path: place.path });
  }
  for (const one of own?.errors ?? []) places.add(one);

  const fault = (at: Link, message: string, code: string): null => {
    const path = pathOf(at);
    if (!places.explain(path) && !spare.explain(path)) places.add({ message, path, extensions: { code } });
    return null;
  };

  const object = (value: Tree, type: Composite, selection: Selection, at: Link | null): Tree | typeof CLIMB => {
    const made = Object.create(null) as Tree;
    for (const field of selection.fields(type)) {
      const { key } = field;
      if (field.value === null) {
        const told = field.name !== '__typename' ? own?.data[key] : isObjectType(type) ? type.name : null;
        if (told === null && field.name !== '__type') return untold({ up: at, step: key });
        made[key] = told;
        continue;
      }
      if (field.refusal) {
        const { message, code } = field.refusal;
        places.add({ message, path: pathOf({ up: at, step: key }), extensions: { code } });
        if (field.value.nonNull) return CLIMB;
        made[key] = null;
        continue;
      }
      const written = complete(value[field.from], field.value, at, key);
      if (written === CLIMB) return CLIMB;
      made[key] = written;
    }
    return made;
  };

  /** Null where there must be a value; for `__typename`, an interface object of which no subgraph told the type. */
  const untold = (at: Link): typeof CLIMB => {
    fault(at, 'A source gave null where the graph promises a value.', 'SOURCE_MALFORMED');
    return CLIMB;
  };

  const complete = (value: unknown, shape: ValueShape, up: Link | null, step: string | number): unknown => {
    const written = value === null || value === undefined ? null : present(value, shape, up, step);
    if (written !== null || !shape.nonNull) return written;
    return untold({ up, step });
  };

  const present = (value: unknown, shape: ValueShape, up: Link | null, step: string | number): unknown => {
    if (shape.kind === 'leaf') {
      const written = shape.write(value);
      return written === undefined ? misfit({ up, step }) : written;
    }
    const at = { up, step };
    if (shape.kind === 'list') {
      if (!Array.isArray(value)) return misfit(at);
      const made: unknown[] = [];
      for (let i = 0; i < value.length; i++) {
        const written = complete(value[i], shape.of, at, i);
        if (written === CLIMB) return null;
        made.push(written);
      }
      return made;
    }
    if (typeof value !== 'object' || Array.isArray(value)) return misfit(at);
    const type = shape.selection.typeOf(value as Tree, shape.type);
    if (!type) return misfit(at);
    const written = object(value as Tree, type, shape.selection, at);
    return written === CLIMB ? null : written;
  };

  const misfit = (at: Link): null =>
    fault(at, 'A source gave a value that does not fit the graph.', 'SOURCE_MALFORMED');

  const written = object(data, root, shape, null);
  const answer = written === CLIMB ? null : written;
  for (const one of spare.all()) if (!places.explain(nullAbove(answer, one.path))) places.add(one);
  return { data: answer, errors: places.told() };
}

/** The place of the null that the path runs into; the path itself when there is none. */
function nullAbove(answer: Tree | null, path: Path): Path {
  let at: unknown = answer;
  for (let i = 0; i < path.length; i++) {
    if (at === null) return path.slice(0, i);
    at = (at as Record<string | number, unknown>)[path[i] as string];
  }
  return path;
}

function pathOf(at: Link): Path {
  const path: (string | number)[] = [];
  for (let one: Link | null = at; one; one = one.up) path.push(one.step);
  return path.reverse();
}
