/** C5 to C8 of the suite: a source that is slow, down, speaks nonsense or refuses; over the network, or in place of it on this machine. */
import { createServer, type Server, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { HostPace } from '../../config/sections/check-intervals.ts';
import type { AnyConnector } from '../../connector.ts';
import type { Host } from '../../host/host.ts';
import { sourceCalls } from '../../monitoring/diagnostics-channels.ts';
import type { World } from '../park/index.ts';
import type { Running } from '../simulator.ts';

type Settings = Record<string, unknown>;

/** A source that is reached over the network. */
export interface AtAddress {
  readonly local?: undefined;
  /** Settings that point at `address` (host:port of a server of the suite) instead of the simulator. */
  settingsAt(address: { host: string; port: number }, running: Running, world: World): Record<string, unknown>;
  /** C7: what a server must say so that the connector reads nonsense; raw bytes per connection, or HTTP when a text. `field` must stand in the log. */
  readonly nonsense: { serve(socket: Socket): void; field: RegExp };
  /** C8: what a server must say so that the connector is refused; it calls `refused` for each request (or sign-in) that it refuses. */
  readonly refusal: { serve(socket: Socket, refused: () => void): void };
}

/** A source that is looked at where it lies, on this machine: no server there that could be slow or refuse (C5, C8). */
export interface OnThisMachine {
  readonly local: {
    /** C6: another one like the simulator's, which can be taken away and brought back. */
    spare(running: Running, world: World): { settings: Settings; shut(): void; open(): void };
    /** C7: one with nonsense in it; `field` must stand in the log. */
    nonsense(running: Running, world: World): { settings: Settings; field: RegExp };
  };
}

/** What the checks are told besides. */
interface Told {
  readonly connector: AnyConnector;
  readonly live: object;
  settings(running: Running, world: World): Settings;
}

/** What the suite lends. */
interface Lent {
  /** Of the installation whose source fails. */
  readonly id: string;
  readonly world: World;
  readonly lines: string[];
  running(): Running;
  raise(raw: Settings, id: string, extra: { jobs?: boolean; pace?: Partial<HostPace> }): Promise<Host>;
  /** Codes of the errors. */
  askLive(at: Host, time?: number): Promise<string[]>;
}

/** A host that looks at its sources only when it is told to. */
export const STILL: Partial<HostPace> = { checkUp: 3_600_000, checkDown: 3_600_000 };

export function faultChecks(options: Told & (AtAddress | OnThisMachine), lent: Lent): void {
  if (options.local) localChecks(options, lent);
  else distantChecks(options, lent);
}

function distantChecks(far: Told & AtAddress, lent: Lent): void {
  const { raise, askLive, id, world, running } = lent;
  const trapped = async (
    serve: (socket: Socket) => void,
    work: (at: Host) => Promise<void>,
    pace: Partial<HostPace> = {},
  ) => {
    const trap = await listenTrap(serve);
    const at = await raise(far.settingsAt(trap.address, running(), world), id, { jobs: 'job' in far.live, pace });
    try {
      await work(at);
    } finally {
      await at.close();
      await trap.close();
    }
  };

  test('C5 slow: SOURCE_TIMEOUT within its time', async () => {
    await trapped(
      () => undefined,
      async (at) => {
        const started = performance.now();
        expect(await askLive(at, 2_500)).toContain('SOURCE_TIMEOUT');
        expect(performance.now() - started).toBeLessThan(6_000);
      },
    );
  }, 20_000);

  test('C6 down: SOURCE_UNAVAILABLE, one log line, recovery, one log line', async () => {
    const gate = await listenGate(running(), far.settings(running(), world));
    const at = await raise(far.settingsAt(gate.address, running(), world), id, { jobs: 'job' in far.live });
    try {
      await downAndUp(at, gate, lent);
    } finally {
      await at.close();
      await gate.close();
    }
  }, 60_000);

  test('C7 nonsense: SOURCE_MALFORMED, naming the field', async () => {
    await trapped(far.nonsense.serve, async (at) => {
      await malformedAt(at, far.nonsense.field, lent);
    });
  }, 20_000);

  test('C8 refused: SOURCE_REJECTED, and one refusal for each call: nothing is tried again', async () => {
    let refused = 0;
    const refuse = (socket: Socket) => far.refusal.serve(socket, () => refused++);
    const work = async (at: Host) => {
      // Checks and the jobs' first runs are over before anything is counted.
      await at.check(id);
      expect(await askLive(at)).toContain('SOURCE_REJECTED');
      const calls: string[] = [];
      const listen = (fact: unknown) => calls.push((fact as { operation: string }).operation);
      // A refusal makes the host look at the source soon: that check is refused too, and may lie at the edge of what is counted.
      for (let tries = 0; tries < 5; tries++) {
        calls.length = 0;
        refused = 0;
        sourceCalls.subscribe(listen);
        try {
          expect(await askLive(at)).toContain('SOURCE_REJECTED');
        } finally {
          sourceCalls.unsubscribe(listen);
        }
        if (!calls.includes('check') && refused === calls.length) break;
      }
      expect(calls).toEqual([...new Set(calls)]);
      expect(refused).toBe(calls.length);
      expect(refused).toBeGreaterThan(0);
    };
    await trapped(refuse, work, STILL);
  }, 20_000);
}

function localChecks({ connector, live, settings, local }: Told & OnThisMachine, lent: Lent): void {
  const { raise, id, world, running } = lent;
  const jobs = { jobs: 'job' in live };

  test('C5 and C8 do not apply: none of its settings leads over a network', () => {
    const names = Object.keys(connector.settings.fields as object);
    expect(names.filter((name) => /url|host|port$|address|database|broker/i.test(name))).toEqual([]);
    const values = Object.values(settings(running(), world));
    expect(values.filter((one) => typeof one === 'string' && one.includes('://'))).toEqual([]);
  });

  test('C6 taken away: SOURCE_UNAVAILABLE, one log line, recovery, one log line', async () => {
    const spare = local.spare(running(), world);
    const at = await raise(spare.settings, id, jobs);
    try {
      await downAndUp(at, spare, lent);
    } finally {
      await at.close();
    }
  }, 60_000);

  test('C7 nonsense: SOURCE_MALFORMED, naming the field', async () => {
    const nonsense = local.nonsense(running(), world);
    const at = await raise(nonsense.settings, id, jobs);
    try {
      await malformedAt(at, nonsense.field, lent);
    } finally {
      await at.close();
    }
  }, 20_000);
}

async function downAndUp(
  at: Host,
  source: { shut(): Promise<void> | void; open(): Promise<void> | void },
  { askLive, lines, id }: Lent,
): Promise<void> {
  await settled(() => at.sources()[0]?.state !== 'DOWN', 8_000);
  expect(at.sources()[0]?.state).not.toBe('DOWN');
  lines.length = 0;
  await source.shut();
  expect(await askLive(at)).toContain('SOURCE_UNAVAILABLE');
  await settled(() => at.sources()[0]?.state === 'DOWN', 8_000);
  await askLive(at);
  await source.open();
  await settled(() => at.sources()[0]?.state === 'UP', 15_000);
  const told = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  expect(told.filter((line) => line.startsWith(`The source ${id} is down`))).toHaveLength(1);
  expect(told.filter((line) => line.startsWith(`The source ${id} is up`))).toHaveLength(1);
}

async function malformedAt(at: Host, field: RegExp, { askLive }: Lent): Promise<void> {
  let seen = '';
  const listen = (fact: unknown) => {
    seen += JSON.stringify(fact);
  };
  sourceCalls.subscribe(listen);
  try {
    expect(await askLive(at)).toContain('SOURCE_MALFORMED');
  } finally {
    sourceCalls.unsubscribe(listen);
  }
  expect(seen).toMatch(field);
}

export async function settled(test: () => boolean, time = 3_000): Promise<void> {
  const until = Date.now() + time;
  while (!test() && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 25));
}

interface Trap {
  readonly address: { host: string; port: number };
  close(): Promise<void>;
}

/** A server that does with each connection what the test says. */
async function listenTrap(serve: (socket: Socket) => void, port = 0): Promise<Trap & { server: Server }> {
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

/** A gate before the simulator that can be shut and opened again. */
async function listenGate(running: Running, raw: Record<string, unknown>) {
  const { connect } = await import('node:net');
  const port = targetPort(running, raw);
  const pass = (socket: Socket) => {
    const onward = connect(port, '127.0.0.1');
    onward.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
    socket.pipe(onward).pipe(socket);
  };
  let trap: Trap | null = await listenTrap(pass);
  const { address } = trap;
  return {
    address,
    shut: async () => {
      await trap?.close();
      trap = null;
    },
    open: async () => {
      trap ??= await listenTrap(pass, address.port);
    },
    close: async () => trap?.close(),
  };
}

/** The port that the settings point at. */
function targetPort(running: Running, raw: Record<string, unknown>): number {
  for (const value of Object.values(raw)) {
    if (typeof value !== 'string') continue;
    const port = /^[a-z0-9+]+:\/\/[^/]*:(\d+)/.exec(value)?.[1];
    if (port) return Number(port);
  }
  const first = Object.values<number>(running.ports)[0];
  if (first === undefined) throw new Error('The simulator names no port.');
  return first;
}
