/** Checks C5 to C8 of the conformance suite: a source that is slow, down, malformed or rejects; on the network or on this machine. */
import { createServer, type Server, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { CheckIntervals } from '../../config/sections/check-intervals.ts';
import type { AnyConnector } from '../../connector.ts';
import type { Host, HostOptions } from '../../host/host.ts';
import { sourceCallChannel } from '../../monitoring/diagnostics-channels.ts';
import type { World } from '../park/index.ts';
import type { RunningSimulator } from '../simulator.ts';

type Settings = Record<string, unknown>;

/** A source on the network. */
export interface NetworkSource {
  readonly local?: undefined;
  /** Settings that point at `address`, a server of the suite, instead of the simulator. */
  settingsAt(address: { host: string; port: number }, running: RunningSimulator, world: World): Record<string, unknown>;
  /** C7: a server that sends a malformed response on each connection. `field` must match the published source call. */
  readonly malformed: { serve(socket: Socket): void; field: RegExp };
  /** C8: a server that rejects every request (or sign-in) and calls `onRejected` for each. */
  readonly rejection: { serve(socket: Socket, onRejected: () => void): void };
}

/** A source on this machine, such as files in a folder: there is no server that could be slow or reject (C5, C8). */
export interface LocalSource {
  readonly local: {
    /** C6: a copy of the simulator's source that can be removed (`stop`) and restored (`start`). */
    replica(running: RunningSimulator, world: World): { settings: Settings; stop(): void; start(): void };
    /** C7: a source with malformed content; `field` must match the published source call. */
    malformed(running: RunningSimulator, world: World): { settings: Settings; field: RegExp };
  };
}

/** What the checks need of the connector's test besides the source. */
interface FaultCheckOptions {
  readonly connector: AnyConnector;
  readonly live: object;
  settings(running: RunningSimulator, world: World): Settings;
}

/** What the suite gives to the checks. */
interface FaultCheckContext {
  /** Id of the installation whose source fails. */
  readonly id: string;
  readonly world: World;
  readonly logLines: string[];
  running(): RunningSimulator;
  startHost(raw: Settings, id: string, options: Pick<HostOptions, 'runJobs' | 'intervals'>): Promise<Host>;
  /** Executes the live query or job and returns the error codes. */
  liveErrorCodes(at: Host, time?: number): Promise<string[]>;
}

/** Intervals for a host that checks its sources only when the test asks it to. */
export const NO_PERIODIC_CHECKS: Partial<CheckIntervals> = { checkUp: 3_600_000, checkDown: 3_600_000 };

/** Defines the checks C5 to C8. */
export function defineFaultChecks(
  options: FaultCheckOptions & (NetworkSource | LocalSource),
  context: FaultCheckContext,
): void {
  if (options.local) defineLocalChecks(options, context);
  else defineNetworkChecks(options, context);
}

function defineNetworkChecks(options: FaultCheckOptions & NetworkSource, context: FaultCheckContext): void {
  const { startHost, liveErrorCodes, id, world, running } = context;
  const runJobs = 'job' in options.live;
  /** Runs `check` on a host whose source is a fake server. */
  const withFakeServer = async (
    serve: (socket: Socket) => void,
    check: (host: Host) => Promise<void>,
    intervals: Partial<CheckIntervals> = {},
  ) => {
    const server = await startFakeServer(serve);
    const host = await startHost(options.settingsAt(server.address, running(), world), id, { runJobs, intervals });
    try {
      await check(host);
    } finally {
      await host.close();
      await server.close();
    }
  };

  test('C5 slow: SOURCE_TIMEOUT within its time', async () => {
    await withFakeServer(
      () => undefined,
      async (host) => {
        const started = performance.now();
        expect(await liveErrorCodes(host, 2_500)).toContain('SOURCE_TIMEOUT');
        expect(performance.now() - started).toBeLessThan(6_000);
      },
    );
  }, 20_000);

  test('C6 down: SOURCE_UNAVAILABLE, one log line, recovery, one log line', async () => {
    const proxy = await startSwitchableProxy(running(), options.settings(running(), world));
    const host = await startHost(options.settingsAt(proxy.address, running(), world), id, { runJobs });
    try {
      await checkOutageAndRecovery(host, proxy, context);
    } finally {
      await host.close();
      await proxy.close();
    }
  }, 60_000);

  test('C7 malformed: SOURCE_MALFORMED, naming the field', async () => {
    await withFakeServer(options.malformed.serve, async (host) => {
      await checkMalformed(host, options.malformed.field, context);
    });
  }, 20_000);

  test('C8 rejected: SOURCE_REJECTED, one rejected request for each call, no retry', async () => {
    let rejected = 0;
    const reject = (socket: Socket) => options.rejection.serve(socket, () => rejected++);
    const check = async (host: Host) => {
      // Wait until checks and first runs of jobs are over before counting.
      await host.check(id);
      expect(await liveErrorCodes(host)).toContain('SOURCE_REJECTED');
      const calls: string[] = [];
      const listen = (event: unknown) => calls.push((event as { operation: string }).operation);
      // A rejection makes the host check the source soon. That check is rejected too and can fall into the counted period.
      for (let attempt = 0; attempt < 5; attempt++) {
        calls.length = 0;
        rejected = 0;
        sourceCallChannel.subscribe(listen);
        try {
          expect(await liveErrorCodes(host)).toContain('SOURCE_REJECTED');
        } finally {
          sourceCallChannel.unsubscribe(listen);
        }
        if (!calls.includes('check') && rejected === calls.length) break;
      }
      expect(calls).toEqual([...new Set(calls)]);
      expect(rejected).toBe(calls.length);
      expect(rejected).toBeGreaterThan(0);
    };
    await withFakeServer(reject, check, NO_PERIODIC_CHECKS);
  }, 20_000);
}

function defineLocalChecks(
  { connector, live, settings, local }: FaultCheckOptions & LocalSource,
  context: FaultCheckContext,
): void {
  const { startHost, id, world, running } = context;
  const runJobs = 'job' in live;

  test('C5 and C8 do not apply: no setting contains a network address', () => {
    const names = Object.keys(connector.settings.fields as object);
    expect(names.filter((name) => /url|host|port$|address|database|broker/i.test(name))).toEqual([]);
    const values = Object.values(settings(running(), world));
    expect(values.filter((value) => typeof value === 'string' && value.includes('://'))).toEqual([]);
  });

  test('C6 removed: SOURCE_UNAVAILABLE, one log line, recovery, one log line', async () => {
    const replica = local.replica(running(), world);
    const host = await startHost(replica.settings, id, { runJobs });
    try {
      await checkOutageAndRecovery(host, replica, context);
    } finally {
      await host.close();
    }
  }, 60_000);

  test('C7 malformed: SOURCE_MALFORMED, naming the field', async () => {
    const malformed = local.malformed(running(), world);
    const host = await startHost(malformed.settings, id, { runJobs });
    try {
      await checkMalformed(host, malformed.field, context);
    } finally {
      await host.close();
    }
  }, 20_000);
}

async function checkOutageAndRecovery(
  host: Host,
  source: { stop(): Promise<void> | void; start(): Promise<void> | void },
  { liveErrorCodes, logLines, id }: FaultCheckContext,
): Promise<void> {
  const state = () => host.sourceStatuses()[0]?.state;
  await waitUntil(() => state() !== 'DOWN', 8_000);
  expect(state()).not.toBe('DOWN');
  logLines.length = 0;
  await source.stop();
  expect(await liveErrorCodes(host)).toContain('SOURCE_UNAVAILABLE');
  await waitUntil(() => state() === 'DOWN', 8_000);
  await liveErrorCodes(host);
  await source.start();
  await waitUntil(() => state() === 'UP', 15_000);
  const messages = logLines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  expect(messages.filter((line) => line.startsWith(`Source ${id} is DOWN`))).toHaveLength(1);
  expect(messages.filter((line) => line.startsWith(`Source ${id} is UP`))).toHaveLength(1);
}

async function checkMalformed(host: Host, field: RegExp, { liveErrorCodes }: FaultCheckContext): Promise<void> {
  let published = '';
  const listen = (event: unknown) => {
    published += JSON.stringify(event);
  };
  sourceCallChannel.subscribe(listen);
  try {
    expect(await liveErrorCodes(host)).toContain('SOURCE_MALFORMED');
  } finally {
    sourceCallChannel.unsubscribe(listen);
  }
  expect(published).toMatch(field);
}

/** Resolves when `condition` holds, or after `timeout` milliseconds. */
export async function waitUntil(condition: () => boolean, timeout = 3_000): Promise<void> {
  const until = Date.now() + timeout;
  while (!condition() && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 25));
}

interface FakeServer {
  readonly address: { host: string; port: number };
  close(): Promise<void>;
}

/** Starts a server that passes each connection to `serve`. */
async function startFakeServer(serve: (socket: Socket) => void, port = 0): Promise<FakeServer & { server: Server }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const bound = (server.address() as { port: number }).port;
  return {
    server,
    address: { host: '127.0.0.1', port: bound },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Starts a proxy to the simulator that can be stopped and started again. */
async function startSwitchableProxy(running: RunningSimulator, raw: Record<string, unknown>) {
  const { connect } = await import('node:net');
  const port = targetPort(running, raw);
  const forward = (socket: Socket) => {
    const upstream = connect(port, '127.0.0.1');
    upstream.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
    socket.pipe(upstream).pipe(socket);
  };
  let server: FakeServer | null = await startFakeServer(forward);
  const { address } = server;
  return {
    address,
    stop: async () => {
      await server?.close();
      server = null;
    },
    start: async () => {
      server ??= await startFakeServer(forward, address.port);
    },
    close: async () => server?.close(),
  };
}

/** The port that the settings point at. */
function targetPort(running: RunningSimulator, raw: Record<string, unknown>): number {
  for (const value of Object.values(raw)) {
    if (typeof value !== 'string') continue;
    const port = /^[a-z0-9+]+:\/\/[^/]*:(\d+)/.exec(value)?.[1];
    if (port) return Number(port);
  }
  const first = Object.values<number>(running.ports)[0];
  if (first === undefined) throw new Error('The simulator has no port.');
  return first;
}
