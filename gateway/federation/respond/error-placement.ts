/** Errors of fetches, and their paths in the client's response. */
import type { GraphQLFormattedError } from 'graphql';
import type { CompositeType } from '../document-nodes.ts';
import type { DataObject, Path } from '../response-data.ts';
import type { FieldShape, SelectionShape, ValueShape } from './response-shape.ts';

/** An error with its path. The empty path is the whole operation. */
export interface PlacedError {
  readonly message: string;
  readonly path: Path;
  readonly extensions: Readonly<Record<string, unknown>>;
  /** Reported only if no other error explains the null: it is the error of another field of the object. */
  readonly isFallback?: boolean;
  /** Not returned by a subgraph: the fetch failed, so its fields are missing. Not reported if another fetch provided the value. */
  readonly isInferred?: boolean;
}

/** A subgraph's error at a path, with only the extensions that clients may see. Default code: INTERNAL. */
export function errorAt(
  error: { readonly message: string; readonly extensions?: Readonly<Record<string, unknown>> | undefined },
  path: Path,
): PlacedError {
  const { code, source, retryable, errorId } = error.extensions ?? {};
  const entries = Object.entries({ code: code ?? 'INTERNAL', source, retryable, errorId });
  return {
    message: error.message,
    path,
    extensions: Object.fromEntries(entries.filter(([, value]) => value !== undefined)),
  };
}

/** The errors of one response, each path and code once. */
export class ErrorsByPath {
  readonly #errors = new Map<string, PlacedError>();
  /** All paths with an error at or below them, as JSON. */
  readonly #pathsWithErrors = new Set<string>();

  add(error: PlacedError): void {
    const key = `${String(error.extensions['code'])} ${JSON.stringify(error.path)}`;
    if (this.#errors.has(key)) return;
    this.#errors.set(key, error);
    for (let length = error.path.length; length > 0; length--) {
      const prefix = JSON.stringify(error.path.slice(0, length));
      if (this.#pathsWithErrors.has(prefix)) break;
      this.#pathsWithErrors.add(prefix);
    }
  }

  /** Whether an error explains a null at the path; the empty path is the whole response. */
  explains(path: Path): boolean {
    if (path.length === 0) return this.#errors.size > 0;
    return this.#pathsWithErrors.size > 0 && this.#pathsWithErrors.has(JSON.stringify(path));
  }

  all(): Iterable<PlacedError> {
    return this.#errors.values();
  }

  toClientErrors(): GraphQLFormattedError[] {
    return [...this.#errors.values()].map(({ message, path, extensions }) => ({
      message,
      ...(path.length > 0 ? { path } : {}),
      extensions: { ...extensions },
    }));
  }
}

/**
 * Converts an error's path in the merged data to the client's path; null if the client did not select the field, or if the error is inferred and
 * the value exists. Continues below a null, where the data does not contain the type. An error of a field that only the planner selected is
 * placed at the selected null above it, as a fallback.
 */
export function toClientPath(
  shape: SelectionShape,
  root: CompositeType,
  data: DataObject,
  error: PlacedError,
): { readonly path: Path; readonly isFallback: boolean } | null {
  const placed = (result: Path, isFallback = error.isFallback === true) => ({ path: result, isFallback });
  const { path } = error;
  const clientPath: (string | number)[] = [];
  let at = 0;
  let value: unknown = data;
  let selection = shape;
  let declared: CompositeType = root;
  while (at < path.length) {
    // Without its type the object may not be writable.
    if (path[at] === '__typename') return selection.needsType(declared) ? placed(clientPath) : null;
    const field = fieldAt(selection, declared, value, path[at] as string | number);
    if (!field && value === null) return placed(clientPath, true);
    if (!field?.value || field.accessError) return null;
    clientPath.push(field.responseKey);
    value = valueAt(value, path[at] as string);
    at++;
    let inner: ValueShape = field.value;
    if (error.isInferred && at === path.length && (value ?? null) !== null && isLeaf(inner)) return null;
    while (inner.kind === 'list') {
      const index = path[at];
      if (typeof index !== 'number' || (Array.isArray(value) && index >= value.length)) return placed(clientPath);
      clientPath.push(index);
      value = valueAt(value, index);
      at++;
      inner = inner.item;
    }
    if (inner.kind === 'leaf') return placed(clientPath);
    selection = inner.selection;
    declared = inner.type;
  }
  return placed(clientPath);
}

const isLeaf = (shape: ValueShape): boolean => (shape.kind === 'list' ? isLeaf(shape.item) : shape.kind === 'leaf');

const valueAt = (value: unknown, key: string | number): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[key] : undefined;

function fieldAt(
  selection: SelectionShape,
  declared: CompositeType,
  value: unknown,
  dataKey: string | number,
): FieldShape | undefined {
  const type =
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? selection.typeOf(value as DataObject, declared)
      : null;
  for (const possibleType of type ? [type] : selection.possibleTypes(declared)) {
    const shape = selection.fields(possibleType).find((field) => field.dataKey === dataKey);
    if (shape) return shape;
  }
  return undefined;
}
