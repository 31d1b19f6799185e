/** What a description says of a system: its operations, and the types of what they answer. The same for OpenAPI, SQL and files. */
import type { Drift } from '../../kit/connector.ts';
import type { FieldType } from './declaration.ts';

/** One thing that can be asked. */
export interface Operation {
  readonly name: string;
  readonly summary: string | null;
  /** Where it is asked, such as `GET /sites/{id}`; absent: it has no place of its own. */
  readonly address?: string;
  readonly arguments: readonly Argument[];
  /** What stands at a path of the answer; the empty path is the answer itself. Null: there is no such place. */
  at(path: readonly string[]): Place | null;
}

export interface Argument {
  readonly name: string;
  readonly required: boolean;
  /** Takes several values at once. */
  readonly list: boolean;
  /** A text that takes several values with commas between them, as its description says. */
  readonly many: boolean;
}

export interface Place {
  /** Null: an object, or something that the description leaves open. */
  readonly type: FieldType | null;
  readonly list: boolean;
  readonly description: string | null;
  /** Names of the parts of an object, as the source writes them. */
  readonly parts: readonly string[];
}

/** A system that can be asked, whatever it speaks. */
export interface Reader {
  readonly operations: ReadonlyMap<string, Operation>;
  /**
   * The answer as plain data. Rejects with `SourceError`. `absent`: the system's "not found" is an answer (null), since one
   * key was asked for.
   */
  ask(question: Question, signal: AbortSignal): Promise<unknown>;
  /** One cheap question; rejects when the system does not answer. */
  check(signal: AbortSignal): Promise<void>;
  /**
   * What is offered otherwise than it was declared; absent: nobody can tell. Resolves when the system has been asked, with the
   * comparison, which may take longer than a call may.
   */
  drift?(signal: AbortSignal): Promise<() => Promise<readonly Drift[]>>;
  /** What the last delivery lacked, behind `is degraded: `; null: nothing. Absent: it has no deliveries. */
  complaint?(): string | null;
  /** Equal as long as the whole list of that operation has not changed; null: nobody can tell. */
  version?(operation: string): string | null;
  close(): Promise<void>;
}

export interface Question {
  readonly operation: string;
  readonly given: Readonly<Record<string, unknown>>;
  readonly absent: boolean;
}

/** The parts of a path such as `properties.pm2_5`. */
export const steps = (path: string | null): string[] => (path === null || path === '' ? [] : path.split('.'));

/** The operation of that name; names are compared without what GraphQL cannot write, so `get-places` is `get_places`. */
export function operationOf(
  reader: { operations: ReadonlyMap<string, Operation> },
  name: string,
): Operation | undefined {
  return reader.operations.get(name) ?? reader.operations.get(name.replace(/[^A-Za-z0-9_]/g, '_'));
}
