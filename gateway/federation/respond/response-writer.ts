/**
 * Writes the response from the merged data: the client's aliases and fragments, abstract types, denied fields, errors, and null propagation to
 * the nearest nullable parent.
 */
import { type GraphQLFormattedError, type GraphQLObjectType, isObjectType } from 'graphql';
import type { CompositeType } from '../document-nodes.ts';
import type { DataObject, Path } from '../response-data.ts';
import { ErrorsByPath, type PlacedError, toClientPath } from './error-placement.ts';
import type { SelectionShape, ValueShape } from './response-shape.ts';

/** Null that propagates to the parent. */
const PROPAGATE_NULL = Symbol('propagate null');

/** A position in the response, from the innermost step to the root; converted to a path only for errors. */
interface PathLink {
  readonly parent: PathLink | null;
  readonly step: string | number;
}

export interface WrittenResponse {
  readonly data: DataObject | null;
  readonly errors: readonly GraphQLFormattedError[];
}

/**
 * Writes the response. `fetchErrors` have paths in the merged data; only errors of fields that the client selected are reported. `introspection`
 * has root fields under the client's keys, with their errors.
 */
export function writeResponse(
  shape: SelectionShape,
  root: GraphQLObjectType,
  data: DataObject,
  fetchErrors: readonly PlacedError[],
  introspection: { readonly data: DataObject; readonly errors: readonly PlacedError[] } | null,
): WrittenResponse {
  const errors = new ErrorsByPath();
  const fallbackErrors = new ErrorsByPath();
  for (const error of fetchErrors) {
    const placed = toClientPath(shape, root, data, error);
    if (placed) (placed.isFallback ? fallbackErrors : errors).add({ ...error, path: placed.path });
  }
  for (const error of introspection?.errors ?? []) errors.add(error);

  const reportError = (at: PathLink, message: string, code: string): null => {
    const path = pathOf(at);
    if (!errors.explains(path) && !fallbackErrors.explains(path)) errors.add({ message, path, extensions: { code } });
    return null;
  };

  const writeObject = (
    value: DataObject,
    type: CompositeType,
    selection: SelectionShape,
    at: PathLink | null,
  ): DataObject | typeof PROPAGATE_NULL => {
    const result = Object.create(null) as DataObject;
    for (const field of selection.fields(type)) {
      const { responseKey: key } = field;
      if (field.value === null) {
        const typename = field.name !== '__typename' ? introspection?.data[key] : isObjectType(type) ? type.name : null;
        if (typename === null && field.name !== '__type') return propagateNull({ parent: at, step: key });
        result[key] = typename;
        continue;
      }
      if (field.accessError) {
        const { message, code } = field.accessError;
        errors.add({ message, path: pathOf({ parent: at, step: key }), extensions: { code } });
        if (field.value.nonNull) return PROPAGATE_NULL;
        result[key] = null;
        continue;
      }
      const written = complete(value[field.dataKey], field.value, at, key);
      if (written === PROPAGATE_NULL) return PROPAGATE_NULL;
      result[key] = written;
    }
    return result;
  };

  /** Null of a non-null field; of `__typename` it is an interface object whose type is unknown. */
  const propagateNull = (at: PathLink): typeof PROPAGATE_NULL => {
    reportError(at, 'Source returned null for a non-null field.', 'SOURCE_MALFORMED');
    return PROPAGATE_NULL;
  };

  const complete = (value: unknown, shape: ValueShape, parent: PathLink | null, step: string | number): unknown => {
    const written = value === null || value === undefined ? null : completeValue(value, shape, parent, step);
    if (written !== null || !shape.nonNull) return written;
    return propagateNull({ parent, step });
  };

  const completeValue = (
    value: unknown,
    shape: ValueShape,
    parent: PathLink | null,
    step: string | number,
  ): unknown => {
    if (shape.kind === 'leaf') {
      const written = shape.serialize(value);
      return written === undefined ? invalidValue({ parent, step }) : written;
    }
    const at = { parent, step };
    if (shape.kind === 'list') {
      if (!Array.isArray(value)) return invalidValue(at);
      const items: unknown[] = [];
      for (let i = 0; i < value.length; i++) {
        const written = complete(value[i], shape.item, at, i);
        if (written === PROPAGATE_NULL) return null;
        items.push(written);
      }
      return items;
    }
    if (typeof value !== 'object' || Array.isArray(value)) return invalidValue(at);
    const type = shape.selection.typeOf(value as DataObject, shape.type);
    if (!type) return invalidValue(at);
    const written = writeObject(value as DataObject, type, shape.selection, at);
    return written === PROPAGATE_NULL ? null : written;
  };

  const invalidValue = (at: PathLink): null =>
    reportError(at, 'Source returned a value that does not match the schema.', 'SOURCE_MALFORMED');

  const written = writeObject(data, root, shape, null);
  const result = written === PROPAGATE_NULL ? null : written;
  for (const error of fallbackErrors.all())
    if (!errors.explains(firstNullOnPath(result, error.path))) errors.add(error);
  return { data: result, errors: errors.toClientErrors() };
}

/** Path of the first null on the path; the path itself if there is none. */
function firstNullOnPath(data: DataObject | null, path: Path): Path {
  let at: unknown = data;
  for (let i = 0; i < path.length; i++) {
    if (at === null) return path.slice(0, i);
    at = (at as Record<string | number, unknown>)[path[i] as string];
  }
  return path;
}

function pathOf(at: PathLink): Path {
  const path: (string | number)[] = [];
  for (let link: PathLink | null = at; link; link = link.parent) path.push(link.step);
  return path.reverse();
}
