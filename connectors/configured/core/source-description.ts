/** Operations of a described system and the types of their results, the same for OpenAPI, WSDL, SQL and files. */
import type { Drift } from '../../kit/connector.ts';
import type { FieldType } from './declaration.ts';

/** One operation that can be called. */
export interface Operation {
  readonly name: string;
  readonly summary: string | null;
  /** Method and path, such as `GET /sites/{id}`; absent if the operation has no address of its own. */
  readonly endpoint?: string;
  readonly arguments: readonly Argument[];
  /** Describes the result at a path; the empty path is the result itself. Null: there is nothing at that path. */
  resultAt(path: readonly string[]): ResultField | null;
}

export interface Argument {
  readonly name: string;
  readonly required: boolean;
  /** Accepts several values at once. */
  readonly list: boolean;
  /** A text that accepts several values separated by commas, according to its description. */
  readonly commaSeparated: boolean;
}

export interface ResultField {
  /** Null: an object, or a type that the description does not define. */
  readonly type: FieldType | null;
  readonly list: boolean;
  readonly description: string | null;
  /** Member names of an object, as the source writes them. */
  readonly members: readonly string[];
}

/** Calls the operations of one installation, whatever its protocol. */
export interface Reader {
  readonly operations: ReadonlyMap<string, Operation>;
  /**
   * Resolves with the response as plain data. Rejects with `SourceError`.
   */
  call(call: OperationCall, signal: AbortSignal): Promise<unknown>;
  /** One cheap call. Rejects when the system does not respond. */
  check(signal: AbortSignal): Promise<void>;
  /**
   * Compares what the system offers with what was declared; absent if that cannot be determined. Resolves when the description has
   * been read again; the returned comparison may take longer than the timeout of a call.
   */
  drift?(signal: AbortSignal): Promise<() => Promise<readonly Drift[]>>;
  /** What is wrong with the last delivered data; null: nothing. Absent for systems without deliveries. */
  deliveryProblem?(): string | null;
  /** Changes when the list of that operation changes; null or absent: unknown. */
  version?(operation: string): string | null;
  close(): Promise<void>;
}

export interface OperationCall {
  readonly operation: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** Resolve with null when the system reports "not found"; set for a call with one key. */
  readonly nullIfNotFound: boolean;
}

/** The steps of a path such as `properties.pm2_5`. */
export const splitPath = (path: string | null): string[] => (path === null || path === '' ? [] : path.split('.'));

/** The operation with that name. Characters that GraphQL does not allow count as `_`, so `get-places` finds `get_places`. */
export function findOperation(
  reader: { operations: ReadonlyMap<string, Operation> },
  name: string,
): Operation | undefined {
  return reader.operations.get(name) ?? reader.operations.get(name.replace(/[^A-Za-z0-9_]/g, '_'));
}
