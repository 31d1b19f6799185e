/**
 * The heavy subscriber, a separate process: holds as many subscriptions as allowed, each with a different query, or reconnects with
 * the oldest cursor again and again.
 */
import { WebSocketSubscriber } from './websocket-subscriber.ts';

export interface HeavySubscriberOptions {
  readonly url: string;
  readonly token: string;
  /** A subscription with `$after` and a placeholder `ALIAS` that makes each one different. */
  readonly query: string;
  readonly subscriptions: number;
  /** Null: holds its subscriptions. Otherwise starts after this cursor and reconnects every `every` milliseconds. */
  readonly replay: { readonly after: string; readonly every: number } | null;
}

/** Received deliveries and events, number of `Lagged`, and errors and closed sockets by code. */
export interface HeavySubscriberReport {
  sockets: number;
  subscribed: number;
  deliveries: number;
  events: number;
  lagged: number;
  readonly rejected: Record<string, number>;
  readonly closed: Record<string, number>;
}

/** Pause between opening sockets, in milliseconds. */
const PAUSE = 400;
/** Operations per socket; the hub's limit. */
const EACH = 100;
const emptyReport = (): HeavySubscriberReport => ({
  sockets: 0,
  subscribed: 0,
  deliveries: 0,
  events: 0,
  lagged: 0,
  rejected: {},
  closed: {},
});
let report = emptyReport();
let open: WebSocketSubscriber[] = [];
/** Number of the current run of `subscribeAll`; a newer run ends older ones. */
let currentRun = 0;
let stop = (): void => undefined;

const count = (of: Record<string, number>, key: string) => {
  of[key] = (of[key] ?? 0) + 1;
};

/** Opens one socket after the other, so that fewer operations are rejected for queueing. */
async function subscribeAll({ url, token, query, subscriptions, replay }: HeavySubscriberOptions): Promise<void> {
  const mine = ++currentRun;
  for (let first = 0; first < subscriptions && mine === currentRun; first += EACH) {
    const queries = Array.from({ length: Math.min(EACH, subscriptions - first) }, (_, i) =>
      query.replaceAll('ALIAS', `own${first + i}`),
    );
    const one = new WebSocketSubscriber(url, token, queries, replay ? { after: replay.after } : {});
    report.sockets += 1;
    report.subscribed += queries.length;
    one.onNext = ({ data }) => {
      report.deliveries += 1;
      for (const delivery of Object.values(data ?? {})) {
        report.events += delivery?.events?.length ?? 0;
        if (delivery?.behind !== undefined) report.lagged += 1;
      }
    };
    one.onError = (code) => count(report.rejected, code);
    one.onClose = (code) => {
      if (code !== 1006) count(report.closed, String(code));
    };
    open.push(one);
    await one.ready;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

function disconnectAll(): void {
  currentRun += 1;
  for (const one of open) one.end();
  open = [];
}

function start(options: HeavySubscriberOptions): void {
  report = emptyReport();
  void subscribeAll(options);
  const again = options.replay
    ? setInterval(() => {
        disconnectAll();
        void subscribeAll(options);
      }, options.replay.every)
    : undefined;
  stop = () => {
    clearInterval(again);
    disconnectAll();
  };
}

process.on('message', (message: HeavySubscriberOptions | 'stop') => {
  if (message !== 'stop') return start(message);
  stop();
  process.send?.(report);
});
process.on('disconnect', () => process.exit(0));
