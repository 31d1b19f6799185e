/** Collects the deliveries of a subscription: the newest events, and notices about missing ones. Bounded in size. */

/** Maximum number of stored events; older ones are only counted. */
export const MAX_EVENTS = 100;
/** Maximum number of stored notices, and of errors. */
const MAX_NOTICES = 20;
/** Minimum milliseconds between two views, since each is rendered completely. */
const VIEW_INTERVAL = 200;

type Values = Readonly<Record<string, unknown>>;

/** One delivery of a subscription. */
export interface Delivery {
  readonly data?: unknown;
  readonly errors?: readonly unknown[] | undefined;
}

/** What the page shows, as JSON with the members in this order. */
export interface View {
  /** Number of events received. */
  readonly received: number;
  /** Number of events in `events`. */
  readonly shown: number;
  /** Why the subscription ended; absent while it runs. */
  readonly ended?: unknown;
  /** `Gap` and `Lagged`, newest first, with the number received. */
  readonly notices?: { readonly received: number; readonly newest: readonly unknown[] };
  readonly errors?: readonly unknown[];
  /** Cursor of the last delivery, for `$after`. */
  readonly cursor?: string;
  /** Newest first. */
  readonly events: readonly unknown[];
}

const isValues = (value: unknown): value is Values => typeof value === 'object' && value !== null;

/** `Gap` or `Lagged`, also without `__typename`: events do not have these fields. */
const isNotice = (value: Values): boolean =>
  typeof value['__typename'] === 'string'
    ? ['Gap', 'Lagged'].includes(value['__typename'])
    : ['reason', 'fromTime', 'toTime', 'behind'].some((name) => name in value);

/** Collects deliveries; `view` returns the current state. */
export class RecentDeliveries {
  /** Oldest first. */
  readonly #events: unknown[] = [];
  readonly #notices: unknown[] = [];
  readonly #errors: unknown[] = [];
  #received = 0;
  #noticeCount = 0;
  #cursor: string | undefined;
  #ended: unknown;

  add({ data, errors }: Delivery): void {
    for (const error of errors ?? []) pushBounded(this.#errors, error, MAX_NOTICES);
    for (const value of Object.values(isValues(data) ? data : {})) this.#addValue(value);
  }

  end(reason: unknown): void {
    this.#ended = reason;
  }

  #addValue(value: unknown): void {
    if (isValues(value) && typeof value['cursor'] === 'string') this.#cursor = value['cursor'];
    const batch = isValues(value) ? Object.values(value).find((member) => Array.isArray(member)) : undefined;
    if (batch) for (const event of batch as unknown[]) this.#addEvent(event);
    else if (isValues(value) && isNotice(value)) {
      this.#noticeCount++;
      pushBounded(this.#notices, value, MAX_NOTICES);
    } else this.#addEvent(value);
  }

  #addEvent(event: unknown): void {
    this.#received++;
    pushBounded(this.#events, event, MAX_EVENTS);
  }

  get received(): number {
    return this.#received + this.#noticeCount;
  }

  view(): View {
    return {
      received: this.#received,
      shown: this.#events.length,
      ...(this.#ended === undefined ? {} : { ended: this.#ended }),
      ...(this.#noticeCount === 0
        ? {}
        : { notices: { received: this.#noticeCount, newest: this.#notices.toReversed() } }),
      ...(this.#errors.length === 0 ? {} : { errors: this.#errors.toReversed() }),
      ...(this.#cursor === undefined ? {} : { cursor: this.#cursor }),
      events: this.#events.toReversed(),
    };
  }
}

function pushBounded(list: unknown[], value: unknown, maxLength: number): void {
  list.push(value);
  if (list.length > maxLength) list.shift();
}

/** The view of a subscription that failed before the first delivery. */
export interface FailedView {
  readonly errors: readonly unknown[];
}

export interface ViewOptions {
  /** Minimum milliseconds between two views. */
  readonly interval?: number;
  /** Why the source has ended, if it does not reject with a reason. */
  readonly endReason?: () => unknown;
  /** Called once at the end. */
  readonly onEnd?: () => void;
}

/**
 * Iterates over views of a running subscription. The source is read immediately, however slowly views are consumed. An error after the
 * first delivery ends the last view; an error before it is the only view.
 */
export function viewSubscription(
  deliveries: AsyncIterator<Delivery>,
  { interval = VIEW_INTERVAL, endReason, onEnd }: ViewOptions = {},
): AsyncIterableIterator<View | FailedView, undefined> {
  const recent = new RecentDeliveries();
  let changed = false;
  let ended = false;
  let closed = false;
  let failure: unknown;
  let nextViewAt = 0;
  let wake: (() => void) | null = null;
  const notify = (): void => {
    wake?.();
    wake = null;
  };
  const read = async (): Promise<void> => {
    try {
      for (let result = await deliveries.next(); !result.done; result = await deliveries.next()) {
        recent.add(result.value);
        changed = true;
        notify();
      }
      const reason = endReason?.();
      if (reason !== undefined) throw reason;
    } catch (error) {
      if (recent.received > 0) {
        recent.end(toJsonError(error));
        changed = true;
      } else failure = error;
    }
    ended = true;
    onEnd?.();
    notify();
  };
  void read();
  const done = { done: true, value: undefined } as const;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      while (!closed) {
        if (changed) {
          const wait = nextViewAt - Date.now();
          if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
          nextViewAt = Date.now() + interval;
          changed = false;
          return closed ? done : { done: false, value: recent.view() };
        }
        if (failure !== undefined) {
          const errors = [toJsonError(failure)].flat();
          failure = undefined;
          return { done: false, value: { errors } };
        }
        if (ended) return done;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return done;
    },
    async return() {
      closed = true;
      notify();
      await deliveries.return?.();
      return done;
    },
  };
}

/** An error of the hub or a closed socket as JSON. */
export function toJsonError(error: unknown): unknown {
  if (Array.isArray(error)) return error;
  const { message, reason, code } = (isValues(error) ? error : {}) as Values;
  const text =
    [message, reason].find((candidate) => typeof candidate === 'string' && candidate !== '') ?? String(error);
  return { message: text, ...(code === undefined ? {} : { code }) };
}
