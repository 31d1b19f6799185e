/**
 * The greedy listener, a process of its own: holds as many subscriptions as it can get, each with a question of its own, or comes again
 * with the oldest cursor as often as it can.
 */
import { Subscriber } from './subscriber.ts';

export interface ListenerTold {
  readonly url: string;
  readonly token: string;
  /** A subscription with `$after` and a place `ALIAS` that makes each one its own. */
  readonly query: string;
  readonly subscriptions: number;
  /** Null: it holds what it has from now on. Else it begins behind this cursor, and comes again so many milliseconds later. */
  readonly replay: { readonly after: string; readonly every: number } | null;
}

/** What it was told: deliveries and events, how often it lags, refusals and closed sockets by code. */
export interface ListenerSaid {
  sockets: number;
  subscribed: number;
  deliveries: number;
  events: number;
  lagged: number;
  readonly refused: Record<string, number>;
  readonly closed: Record<string, number>;
}

/** Between sockets, in milliseconds. */
const PAUSE = 400;
/** Operations of one socket, as the hub allows. */
const EACH = 100;
const nothing = (): ListenerSaid => ({
  sockets: 0,
  subscribed: 0,
  deliveries: 0,
  events: 0,
  lagged: 0,
  refused: {},
  closed: {},
});
let said = nothing();
let open: Subscriber[] = [];
/** Which gathering goes on. */
let turn = 0;
let stop = (): void => undefined;

const count = (of: Record<string, number>, key: string) => {
  of[key] = (of[key] ?? 0) + 1;
};

/** One socket after the other, so that less is refused because it waits. */
async function gather({ url, token, query, subscriptions, replay }: ListenerTold): Promise<void> {
  const mine = ++turn;
  for (let first = 0; first < subscriptions && mine === turn; first += EACH) {
    const queries = Array.from({ length: Math.min(EACH, subscriptions - first) }, (_, i) =>
      query.replaceAll('ALIAS', `own${first + i}`),
    );
    const one = new Subscriber(url, token, queries, replay ? { after: replay.after } : {});
    said.sockets += 1;
    said.subscribed += queries.length;
    one.got = ({ data }) => {
      said.deliveries += 1;
      for (const told of Object.values(data ?? {})) {
        said.events += told?.events?.length ?? 0;
        if (told?.behind !== undefined) said.lagged += 1;
      }
    };
    one.refused = (code) => count(said.refused, code);
    one.closed = (code) => {
      if (code !== 1006) count(said.closed, String(code));
    };
    open.push(one);
    await one.ready;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

function leave(): void {
  turn += 1;
  for (const one of open) one.end();
  open = [];
}

function start(told: ListenerTold): void {
  said = nothing();
  void gather(told);
  const again = told.replay
    ? setInterval(() => {
        leave();
        void gather(told);
      }, told.replay.every)
    : undefined;
  stop = () => {
    clearInterval(again);
    leave();
  };
}

process.on('message', (told: ListenerTold | 'stop') => {
  if (told !== 'stop') return start(told);
  stop();
  process.send?.(said);
});
process.on('disconnect', () => process.exit(0));
