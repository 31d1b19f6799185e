/** A fake hub that consists only of an event log, for tests of subscriptions. */
import { buildSchema, type DocumentNode, parse, validate } from 'graphql';
import type { Principal } from '../connectors/kit/auth/principal.ts';
import type { LogTail } from '../gateway/live/log-tail.ts';
import { EVENTS_ALIAS } from '../gateway/live/subscription-document.ts';
import type { Operations, ScheduleOptions } from '../gateway/operation/operations.ts';
import type { OperationRequest, OperationResponse } from '../gateway/operation/request.ts';

export const SCHEMA = `
  type Query { a: Int }
  type Subscription { events(after: String): EventDelivery }
  union EventDelivery = EventsBatch | Gap | Lagged
  type EventsBatch { events: [Event!]! cursor: String }
  type Event { id: ID! }
  type Gap { cursor: String }
  type Lagged { cursor: String behind: Int }`;
export const QUERY = 'subscription ($after: String) { events(after: $after) { ... on EventsBatch { events { id } } } }';

/** The members of `Operations` that subscriptions use; the fake must have all of them. */
type OperationsDouble = Pick<Operations, 'run' | 'limits'> & {
  readonly budget: Operations['budget'];
  readonly documents: Pick<Operations['documents'], 'parse' | 'validate' | 'validateVariables' | 'eventCost'>;
  readonly graph: Pick<Operations['graph'], 'schema' | 'fieldError'>;
  readonly tokenExpiry: Pick<Operations['tokenExpiry'], 'isExpired' | 'onExpiry'>;
  schedule: FakeHub['schedule'];
};

/** Positions 1 to `head`, each an event with that id. */
export class FakeHub {
  head = 0n;
  schema = buildSchema(SCHEMA);
  /** Reads of the log. */
  requests: OperationRequest[] = [];
  failing = false;
  /** Retention has dropped everything up to this position. */
  dropped = 0n;
  closed = false;
  limits = { subscriptions: 2_000, cost: 1_000 };
  /** Minimum length of an event's id, in characters. */
  padding = 0;
  /** Points of one event. */
  eventCost = 0;
  /** Points, and milliseconds, below zero of a caller's balance, by subject. */
  readonly debts = new Map<string, number>();
  readonly expiredSubjects = new Set<string>();
  readonly #waiting = new Set<() => void>();

  readonly budget = {
    reserve: (): void => undefined,
    debit: (caller: Principal | null, points: number): void => {
      const name = caller?.subject ?? '';
      this.debts.set(name, (this.debts.get(name) ?? 0) + points);
    },
    retryAfterMs: (caller: Principal | null): number => Math.max(this.debts.get(caller?.subject ?? '') ?? 0, 0),
    penalize: (): void => undefined,
    rejection: () => null,
  };

  schedule = <T>(
    _caller: Principal | null,
    work: (release: () => void) => Promise<T>,
    _options?: ScheduleOptions,
  ): Promise<T> => work(() => undefined);

  write(count: number): void {
    this.head += BigInt(count);
    this.#wake();
  }
  close(): void {
    this.closed = true;
    this.#wake();
  }
  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
    this.#waiting.clear();
  }
  async waitBeyond(position: bigint, signal: AbortSignal): Promise<bigint> {
    while (this.head <= position && !signal.aborted && !this.closed) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
    return this.head;
  }

  run = async (request: OperationRequest): Promise<OperationResponse> => {
    const { variables } = request;
    await new Promise((resolve) => setImmediate(resolve));
    if (variables?.['isthmusPosition_'] !== undefined) {
      const position = String(variables['isthmusPosition_']);
      const lost = BigInt(position) < this.dropped;
      const [gapFrom, gapTo] = lost ? ['then', 'now'] : [null, null];
      return { data: { start: { position: lost ? String(this.dropped) : position, gapFrom, gapTo } } };
    }
    if (variables?.['isthmusHead_'] !== undefined) {
      const position = String(variables['after'] ?? variables['isthmusHead_']);
      return { data: { start: { position, gapFrom: null, gapTo: null } } };
    }
    const token = JSON.parse(String(variables?.['isthmusToken_']));
    if (token.type === 'gap') return { data: { events: { gap: token.position } } };
    if (token.type !== 'batch') return { data: { events: { behind: token.behind } } };
    this.requests.push(request);
    if (this.failing)
      return { data: { events: null }, errors: [{ message: 'away', extensions: { code: 'INTERNAL' } }] };
    const events: { id: string }[] = [];
    for (let at = BigInt(token.after) + 1n; at <= BigInt(token.upTo); at++)
      if (at > this.dropped) events.push({ id: String(at).padEnd(this.padding) });
    return { data: { events: { events, [EVENTS_ALIAS]: events } } };
  };

  get parts(): { operations: Operations; tail: LogTail } {
    const hub = this;
    const operations: OperationsDouble = {
      run: (request) => hub.run(request),
      schedule: (caller, work, options) => hub.schedule(caller, work, options),
      get limits() {
        return hub.limits as Operations['limits'];
      },
      budget: this.budget,
      documents: {
        parse: (text: string) => parse(text),
        validate: (_: string, document: DocumentNode) => validate(hub.schema, document).map((error) => error.toJSON()),
        validateVariables: () => [],
        eventCost: () => hub.eventCost,
      },
      graph: {
        get schema() {
          return hub.schema;
        },
        fieldError: () => null,
      },
      tokenExpiry: {
        isExpired: (caller) => hub.expiredSubjects.has(caller?.subject ?? ''),
        onExpiry: () => () => undefined,
      },
    };
    return { operations: operations as unknown as Operations, tail: this as unknown as LogTail };
  }
}

/** Runs everything that can continue, for `rounds` rounds of the event loop. */
export const settle = async (rounds = 30): Promise<void> => {
  for (let i = 0; i < rounds; i++) await new Promise((resolve) => setImmediate(resolve));
};
