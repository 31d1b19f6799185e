/**
 * The load generator of the ingest tests, a separate process: signed webhooks, each repeated until acknowledged with 2xx, or telemetry at
 * QoS 1. The ids of accepted events are written to a file; the log must contain them.
 */
import { createHmac } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { connect } from 'node:net';
import { generate, type Packet, parser } from 'mqtt-packet';
import { Pool } from 'undici';
import { createWorld } from '../../connectors/kit/testing/park/index.ts';

/** The load to generate. */
export interface LoadOptions {
  readonly transport: 'webhooks' | 'mqtt';
  /** Address of the hub, or of the broker. */
  readonly url: string;
  readonly path: string;
  readonly secret: string;
  readonly perSecond: number;
  readonly seconds: number;
  /** Number of meters that publish. */
  readonly meters: number;
  /** File for the accepted ids, one per line. */
  readonly accepted: string;
}

/** The final report. Times in milliseconds. */
export interface LoadReport {
  readonly sent: number;
  readonly accepted: number;
  readonly repeated: number;
  /** From the first to the last acceptance. */
  readonly took: number;
  /** From the first attempt to the 2xx response or the broker's acknowledgement. */
  readonly p50: number;
  readonly p99: number;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const demo = createWorld();

/** Calls `send(n)` at the given rate; a late tick catches up. */
async function paced(order: LoadOptions, send: (n: number) => void): Promise<void> {
  const begun = performance.now();
  for (let n = 0; n < order.perSecond * order.seconds; ) {
    const due = Math.min(((performance.now() - begun) / 1000) * order.perSecond, order.perSecond * order.seconds);
    for (; n < due; n++) send(n);
    await sleep(5);
  }
}

async function webhooks(order: LoadOptions, accept: (id: string, since: number) => void, repeat: () => void) {
  const pool = new Pool(order.url, { connections: 256, headersTimeout: 10_000, bodyTimeout: 10_000 });
  const under = new Set<Promise<void>>();
  const one = async (n: number): Promise<void> => {
    const at = new Date();
    const session = `load-${n}`;
    const body = JSON.stringify(entry(session, at, n));
    const seconds = Math.floor(at.getTime() / 1000);
    const v1 = createHmac('sha256', order.secret).update(`${seconds}.`).update(body).digest('hex');
    const headers = { 'content-type': 'application/json', 'x-signature': `t=${seconds},v1=${v1}` };
    for (let [began, pause] = [performance.now(), 100]; ; repeat(), await sleep(pause)) {
      pause = Math.min(pause * 2, 1_000);
      try {
        const answer = await pool.request({ method: 'POST', path: order.path, headers, body });
        await answer.body.dump();
        if (answer.statusCode < 200 || answer.statusCode > 299) continue;
        accept(`session ${session} entered`, began);
        return;
      } catch {
        // The hub is down: the vendor retries.
      }
    }
  };
  await paced(order, (n) => {
    const call = one(n).finally(() => under.delete(call));
    under.add(call);
  });
  await Promise.all(under);
  await pool.close();
}

/** The webhook body of a gate for an entering car. */
function entry(session: string, at: Date, n: number) {
  const vehicle = demo.vehicles[n % demo.vehicles.length];
  const issuer = [{ language: 'zh', string: '湖滨停车' }];
  const credential = (className: string, type: string, id: string | undefined, more: object = {}) => ({
    ...{ type, identifier: { className, id }, issuer },
    ...more,
  });
  return {
    eventSubscriptionId: 'W1',
    eventTime: at.toISOString(),
    topic: 'SessionCreated',
    data: [
      {
        ...{ id: session, version: 1, actualStart: at.toISOString(), segments: [] },
        initiator: { id: 'gate-1', version: 1, className: 'SupplementalEquipment' },
        hierachyElement: { id: 'lot-1', version: 1, className: 'Place' },
        identifiedCredentials: [
          credential('VehicleCredential', 'licensePlate', vehicle?.plate, { plateColour: vehicle?.colour }),
          credential('CustomerCredential', 'electronicID', vehicle?.company ?? undefined),
        ],
      },
    ],
  };
}

async function mqtt(order: LoadOptions, accept: (id: string, since: number) => void) {
  const { hostname, port } = new URL(order.url);
  const socket = connect(Number(port), hostname).setNoDelay(true);
  const reader = parser();
  const waiting = new Map<number, { id: string; since: number }>();
  const connected = new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    reader.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connack') resolve();
      if (packet.cmd !== 'puback') return;
      const one = waiting.get(packet.messageId ?? 0);
      waiting.delete(packet.messageId ?? 0);
      if (one) accept(one.id, one.since);
    });
  });
  socket.on('data', (bytes: Buffer) => reader.parse(bytes));
  socket.write(
    generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: 'load', keepalive: 0 }),
  );
  await connected;
  const newest = new Map<number, number>();
  await paced(order, (n) => {
    const meter = n % order.meters;
    const time = Math.max(Date.now(), (newest.get(meter) ?? 0) + 1);
    newest.set(meter, time);
    const ts = new Date(time).toISOString();
    const messageId = (n % 65_535) + 1;
    waiting.set(messageId, { id: `reading LOAD${meter} ${ts}`, since: performance.now() });
    const payload = JSON.stringify({ ts, register: String(n) });
    const topic = `${order.path}/LOAD${meter}/telemetry`;
    socket.write(generate({ cmd: 'publish', topic, payload, qos: 1, messageId, dup: false, retain: false }));
  });
  while (waiting.size > 0) await sleep(20);
  socket.end();
}

process.on('message', (order: LoadOptions) => {
  const file = createWriteStream(order.accepted);
  const times: number[] = [];
  let [accepted, repeated, first, last] = [0, 0, 0, 0];
  const accept = (id: string, since: number) => {
    last = performance.now();
    first ||= last;
    accepted += 1;
    if (accepted === Math.floor((order.perSecond * order.seconds) / 2)) process.send?.({ half: true });
    times.push(last - since);
    file.write(`${id}\n`);
  };
  const run =
    order.transport === 'mqtt'
      ? mqtt(order, accept)
      : webhooks(order, accept, () => {
          repeated += 1;
        });
  run.then(
    () =>
      file.end(() => {
        times.sort((a, b) => a - b);
        const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
        const report: LoadReport = {
          ...{ sent: order.perSecond * order.seconds, accepted, repeated, took: last - first },
          ...{ p50: at(0.5), p99: at(0.99) },
        };
        process.send?.({ report });
      }),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ loaded: true });
