/** What the page keeps of a subscription: the newest events, and the notices that something is missing. Bounded, however long it runs. */

/** Events that are kept; older ones are counted only. */
export const KEPT = 100;
/** Notices and errors that are kept of each. */
const NOTICES = 20;
/** Least time between two views, in milliseconds: each is printed whole into the page. */
const PAUSE = 200;

type Values = Readonly<Record<string, unknown>>;

/** One answer of a subscription. */
export interface Delivery {
  readonly data?: unknown;
  readonly errors?: readonly unknown[] | undefined;
}

/** What the page shows, as JSON and in this order. */
export interface View {
  /** Events that came in all. */
  readonly received: number;
  /** Events below. */
  readonly shown: number;
  /** Why nothing more comes; absent while it runs. */
  readonly ended?: unknown;
  /** `Gap` and `Lagged`, the newest first, with how many there were. */
  readonly notices?: { readonly received: number; readonly newest: readonly unknown[] };
  readonly errors?: readonly unknown[];
  /** Of the last delivery: where `$after` goes on. */
  readonly cursor?: string;
  /** The newest first. */
  readonly events: readonly unknown[];
}

const isValues = (value: unknown): value is Values => typeof value === 'object' && value !== null;

/** `Gap` and `Lagged`, also where `__typename` was not asked for: no event has these fields beside a cursor. */
const isNotice = (value: Values): boolean =>
  typeof value['__typename'] === 'string'
    ? ['Gap', 'Lagged'].includes(value['__typename'])
    : ['reason', 'fromTime', 'toTime', 'behind'].some((name) => name in value);

/** Collects deliveries; `view` is what is left of them. */
export class Recent {
  /** The oldest first. */
  readonly #events: unknown[] = [];
  readonly #notices: unknown[] = [];
  readonly #errors: unknown[] = [];
  #received = 0;
  #noticed = 0;
  #cursor: string | undefined;
  #ended: unknown;

  add({ data, errors }: Delivery): void {
    for (const error of errors ?? []) push(this.#errors, error, NOTICES);
    for (const value of Object.values(isValues(data) ? data : {})) this.#take(value);
  }

  end(reason: unknown): void {
    this.#ended = reason;
  }

  #take(value: unknown): void {
    if (isValues(value) && typeof value['cursor'] === 'string') this.#cursor = value['cursor'];
    const batch = isValues(value) ? Object.values(value).find((one) => Array.isArray(one)) : undefined;
    if (batch) for (const event of batch as unknown[]) this.#event(event);
    else if (isValues(value) && isNotice(value)) {
      this.#noticed++;
      push(this.#notices, value, NOTICES);
    } else this.#event(value);
  }

  #event(event: unknown): void {
    this.#received++;
    push(this.#events, event, KEPT);
  }

  get received(): number {
    return this.#received + this.#noticed;
  }

  view(): View {
    return {
      received: this.#received,
      shown: this.#events.length,
      ...(this.#ended === undefined ? {} : { ended: this.#ended }),
      ...(this.#noticed === 0 ? {} : { notices: { received: this.#noticed, newest: this.#notices.toReversed() } }),
      ...(this.#errors.length === 0 ? {} : { errors: this.#errors.toReversed() }),
      ...(this.#cursor === undefined ? {} : { cursor: this.#cursor }),
      events: this.#events.toReversed(),
    };
  }
}

function push(list: unknown[], value: unknown, most: number): void {
  list.push(value);
  if (list.length > most) list.shift();
}

/** What failed before anything came. */
export interface Failed {
  readonly errors: readonly unknown[];
}

export interface RecentOptions {
  /** Least time between two views, in milliseconds. */
  readonly pause?: number;
  /** Why the source is over, where it does not say so itself. */
  readonly why?: () => unknown;
  /** Called once when it is over. */
  readonly over?: () => void;
}

/**
 * Views of a subscription as it goes on. The source is read at once, however slowly views are taken. A failure after something came is
 * the end of the last view; before, it is the only answer.
 */
export function recentOf(
  deliveries: AsyncIterator<Delivery>,
  { pause = PAUSE, why, over: whenOver }: RecentOptions = {},
): AsyncIterableIterator<View | Failed, undefined> {
  const recent = new Recent();
  let changed = false;
  let over = false;
  let closed = false;
  let failure: unknown;
  let next = 0;
  let wake: (() => void) | null = null;
  const tell = (): void => {
    wake?.();
    wake = null;
  };
  const read = async (): Promise<void> => {
    try {
      for (let one = await deliveries.next(); !one.done; one = await deliveries.next()) {
        recent.add(one.value);
        changed = true;
        tell();
      }
      const reason = why?.();
      if (reason !== undefined) throw reason;
    } catch (error) {
      if (recent.received > 0) {
        recent.end(reasonOf(error));
        changed = true;
      } else failure = error;
    }
    over = true;
    whenOver?.();
    tell();
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
          const wait = next - Date.now();
          if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
          next = Date.now() + pause;
          changed = false;
          return closed ? done : { done: false, value: recent.view() };
        }
        if (failure !== undefined) {
          const errors = [reasonOf(failure)].flat();
          failure = undefined;
          return { done: false, value: { errors } };
        }
        if (over) return done;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return done;
    },
    async return() {
      closed = true;
      tell();
      await deliveries.return?.();
      return done;
    },
  };
}

/** Errors of the hub and closed sockets, as JSON shows them. */
export function reasonOf(error: unknown): unknown {
  if (Array.isArray(error)) return error;
  const { message, reason, code } = (isValues(error) ? error : {}) as Values;
  const text = [message, reason].find((one) => typeof one === 'string' && one !== '') ?? String(error);
  return { message: text, ...(code === undefined ? {} : { code }) };
}
