/** A hub of which only the event log is there: what tests of live delivery stand on. */
import { buildSchema, type DocumentNode, parse, validate } from 'graphql';
import type { Principal } from '../connectors/kit/auth/principal.ts';
import type { Tail } from '../gateway/live/log-tail.ts';
import { PROBE } from '../gateway/live/subscription-document.ts';
import type { Operations } from '../gateway/operation/operations.ts';
import type { OperationAnswer, OperationRequest } from '../gateway/operation/request.ts';

export const SCHEMA = `
  type Query { a: Int }
  type Subscription { events(after: String): EventDelivery }
  union EventDelivery = EventsBatch | Gap | Lagged
  type EventsBatch { events: [Event!]! cursor: String }
  type Event { id: ID! }
  type Gap { cursor: String }
  type Lagged { cursor: String behind: Int }`;
export const QUERY = 'subscription ($after: String) { events(after: $after) { ... on EventsBatch { events { id } } } }';

/** Positions 1 to `head`, each an event of that name. */
export class Pretend {
  head = 0n;
  schema = buildSchema(SCHEMA);
  asked: OperationRequest[] = [];
  failing = false;
  /** Up to here retention has dropped everything. */
  dropped = 0n;
  closed = false;
  limits = { subscriptions: 2_000, cost: 1_000 };
  /** Characters that each event is longer. */
  padding = 0;
  /** Points of one event. */
  each = 0;
  /** Points, and milliseconds, that callers owe, by subject. */
  readonly debts = new Map<string, number>();
  pay = (): void => undefined;
  eventPoints = () => this.each;
  owe = (principal: Principal | null, points: number): void => {
    const name = principal?.subject ?? '';
    this.debts.set(name, (this.debts.get(name) ?? 0) + points);
  };
  /** Subjects whose token has ended. */
  readonly ended = new Set<string>();
  expired = (principal: Principal | null): boolean => this.ended.has(principal?.subject ?? '');
  onExpiry = (): (() => void) => () => undefined;
  owes = (principal: Principal | null): number => Math.max(this.debts.get(principal?.subject ?? '') ?? 0, 0);
  readonly #waiting = new Set<() => void>();

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
  async beyond(position: bigint, signal: AbortSignal): Promise<bigint> {
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
  refused = () => null;
  overdrawn = () => null;
  turn = () => null;
  turnOfReading = (_principal: Principal | null, _yielding: boolean): null => null;
  turned = () => undefined;
  fruitless = () => undefined;
  variableFaults = () => [];
  parse = (query: string) => parse(query);
  faults = (_: string, document: DocumentNode) => validate(this.schema, document).map((one) => one.toJSON());
  run = async (request: OperationRequest): Promise<OperationAnswer> => {
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
    this.asked.push(request);
    if (this.failing)
      return { data: { events: null }, errors: [{ message: 'away', extensions: { code: 'INTERNAL' } }] };
    const events: { id: string }[] = [];
    for (let at = BigInt(token.after) + 1n; at <= BigInt(token.upTo); at++)
      if (at > this.dropped) events.push({ id: String(at).padEnd(this.padding) });
    return { data: { events: { events, [PROBE]: events } } };
  };
  get parts(): { operations: Operations; tail: Tail } {
    return { operations: this as unknown as Operations, tail: this as unknown as Tail };
  }
}

/** Lets everything go on that can. */
export const settle = async (turns = 30): Promise<void> => {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
};
