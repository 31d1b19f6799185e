/** Faults of fetches and where the client sees them. */
import type { GraphQLFormattedError } from 'graphql';
import type { Composite } from '../plan/normalized-selection.ts';
import type { Path, Tree } from '../response-data.ts';
import type { FieldShape, Selection, ValueShape } from './response-shape.ts';

/** A fault at a place. An empty path: of the whole operation. */
export interface PlacedError {
  readonly message: string;
  readonly path: Path;
  readonly extensions: Readonly<Record<string, unknown>>;
  /** Told only where nothing else explains the null: the fault was of a field beside it. */
  readonly spare?: boolean;
  /** Ours, not the subgraph's: the fetch failed, so its fields are missing. Not told where another fetch brought the value. */
  readonly inferred?: boolean;
}

/** A fault as a subgraph tells it, with only what a client may know. */
export function placed(
  error: { readonly message: string; readonly extensions?: Readonly<Record<string, unknown>> | undefined },
  path: Path,
): PlacedError {
  const { code, source, retryable, errorId } = error.extensions ?? {};
  const known = Object.entries({ code: code ?? 'INTERNAL', source, retryable, errorId });
  return {
    message: error.message,
    path,
    extensions: Object.fromEntries(known.filter(([, value]) => value !== undefined)),
  };
}

/** Faults of one answer, each place and code once. */
export class Places {
  readonly #errors = new Map<string, PlacedError>();
  /** Every place at which, or below which, there is a fault. */
  readonly #above = new Set<string>();

  add(error: PlacedError): void {
    const mark = `${String(error.extensions['code'])} ${JSON.stringify(error.path)}`;
    if (this.#errors.has(mark)) return;
    this.#errors.set(mark, error);
    for (let length = error.path.length; length > 0; length--) {
      const prefix = JSON.stringify(error.path.slice(0, length));
      if (this.#above.has(prefix)) break;
      this.#above.add(prefix);
    }
  }

  /** Whether a known fault is why there is null at the path; the empty path is the whole answer. */
  explain(path: Path): boolean {
    if (path.length === 0) return this.#errors.size > 0;
    return this.#above.size > 0 && this.#above.has(JSON.stringify(path));
  }

  all(): Iterable<PlacedError> {
    return this.#errors.values();
  }

  told(): GraphQLFormattedError[] {
    return [...this.#errors.values()].map(({ message, path, extensions }) => ({
      message,
      ...(path.length > 0 ? { path } : {}),
      extensions: { ...extensions },
    }));
  }
}

/**
 * From a fault's place in the merged data to the client's path; null when the client did not ask for that field, or when the fault
 * is inferred and the value is there. Goes on below a null, where the data no longer tell the type. A fault of what the planner
 * asked for is told at the null that it left of what the client asked, if nothing else explains it.
 */
export function clientPath(
  shape: Selection,
  root: Composite,
  data: Tree,
  error: PlacedError,
): { readonly path: Path; readonly spare: boolean } | null {
  const found = (place: Path, spare = error.spare === true) => ({ path: place, spare });
  const { path } = error;
  const made: (string | number)[] = [];
  let at = 0;
  let value: unknown = data;
  let selection = shape;
  let declared: Composite = root;
  while (at < path.length) {
    // Without its type, the object itself may not be written.
    if (path[at] === '__typename') return selection.needsType(declared) ? found(made) : null;
    const field = fieldAt(selection, declared, value, path[at] as string | number);
    if (!field && value === null) return found(made, true);
    if (!field?.value || field.refusal) return null;
    made.push(field.key);
    value = step(value, path[at] as string);
    at++;
    let inner: ValueShape = field.value;
    if (error.inferred && at === path.length && (value ?? null) !== null && isLeaf(inner)) return null;
    while (inner.kind === 'list') {
      const index = path[at];
      if (typeof index !== 'number' || (Array.isArray(value) && index >= value.length)) return found(made);
      made.push(index);
      value = step(value, index);
      at++;
      inner = inner.of;
    }
    if (inner.kind === 'leaf') return found(made);
    selection = inner.selection;
    declared = inner.type;
  }
  return found(made);
}

const isLeaf = (shape: ValueShape): boolean => (shape.kind === 'list' ? isLeaf(shape.of) : shape.kind === 'leaf');

const step = (value: unknown, key: string | number): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[key] : undefined;

function fieldAt(
  selection: Selection,
  declared: Composite,
  value: unknown,
  from: string | number,
): FieldShape | undefined {
  const type =
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? selection.typeOf(value as Tree, declared)
      : null;
  for (const one of type ? [type] : selection.possible(declared)) {
    const found = selection.fields(one).find((field) => field.from === from);
    if (found) return found;
  }
  return undefined;
}
