/** Conformance suite for a meter that is polled by Modbus and a meter that publishes over MQTT. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { conformance } from '../kit/testing/conformance/conformance.ts';
import { NO_PERIODIC_CHECKS } from '../kit/testing/conformance/conformance-faults.ts';
import type { CreateIngestPath } from '../kit/testing/conformance/conformance-ingest.ts';
import { createWorld } from '../kit/testing/park/index.ts';
import { listen, type RunningSimulator } from '../kit/testing/simulator.ts';
import { startInstallation } from '../kit/testing/test-installation.ts';
import energy from './index.ts';
import * as mapping from './mapping/index.ts';
import { simulator } from './simulator/index.ts';
import { createModbusServer, uint32 } from './simulator/modbus-server.ts';
import { startTestBroker } from './simulator/test-broker.ts';

const scratch = mkdtempSync(join(tmpdir(), 'isthmus-energy-'));
const oneMeter = join(scratch, 'one.csv');
writeFileSync(oneMeter, 'unit_id,map,serial,medium,unit,building,uscc,customer\n3,dtsu666,ONE,ELECTRICITY,kWh,B01,,\n');
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const wired = ({ env }: RunningSimulator) => ({
  url: env['LAKESIDE_METERS_URL'],
  sheet: env['LAKESIDE_METERS_SHEET'],
  pause: 0,
});
/** Responds to each request with this body. */
const respondWith =
  (body: readonly number[]) =>
  (socket: Socket, onRequest = (): void => undefined) =>
    socket.on('data', (frame: Buffer) => {
      onRequest();
      const head = Buffer.from(frame.subarray(0, 7));
      head.writeUInt16BE(body.length + 1, 4);
      socket.write(Buffer.concat([head, Buffer.from(body)]));
    });
const METERS =
  'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { uscc meters(first: 5) { nodes { id medium unit register latest { value quality } } totalCount provenance { source stale } } } } }';
const company = createWorld().meters.find((one) => one.protocol === 'modbus' && one.company)?.company as string;

/** Each poll reads another register value, which is a separate reading, even if an earlier one is not committed yet. */
const wiredMeter: CreateIngestPath = async ({ database, sql }) => {
  let reads = 0;
  const words = () => new Map(uint32(1_000 + reads).map((word, i) => [i, word]));
  const gateway = createModbusServer(new Map([[1, words]]), () => reads++);
  const raw = {
    url: `modbus://127.0.0.1:${await listen(gateway.server)}`,
    meters: [{ unit_id: 1, map: 'pulse', serial: 'W1', medium: 'ELECTRICITY' }],
    ...{ pause: 0, poll: '1h' },
  };
  const host = await startInstallation(energy, { id: 'wired', raw }, database, { intervals: NO_PERIODIC_CHECKS });
  await host.check('wired');
  return {
    ...{ kind: 'METER_READING_TAKEN', installation: 'wired' },
    produce: () => {
      reads = 0;
    },
    expectedEvents: () => reads,
    ingest: () => host.runJob('wired', 'poll meters'),
    progress: () => sql("SELECT count(*) FROM meter_reading WHERE meter = 'wired:W1'"),
    close: async () => {
      await host.close();
      gateway.disconnectAll();
      await new Promise((resolve) => gateway.server.close(resolve));
    },
  };
};

/** Progress is the number of acknowledged messages; the broker sends others again in the next session. */
const speakingMeter: CreateIngestPath = async ({ database }) => {
  let [published, acknowledged] = [0, 0];
  let onAcknowledged = (): void => undefined;
  const broker = await startTestBroker(undefined, (aedes) => {
    aedes.on('ack', (_packet, client) => {
      if (client.id !== 'air') return;
      acknowledged++;
      onAcknowledged();
    });
  });
  const subscribed = broker.subscribed();
  const raw = { url: `mqtt://127.0.0.1:${broker.port}` };
  const host = await startInstallation(energy, { id: 'air', raw }, database, { intervals: NO_PERIODIC_CHECKS });
  await subscribed;
  return {
    ...{ kind: 'METER_READING_TAKEN', installation: 'air' },
    produce: () => {
      published++;
      return broker.publish('park/g/M1/telemetry', { ts: new Date().toISOString(), register: '1' });
    },
    ingest: async () => {
      if (acknowledged === published) return;
      const acknowledgement = new Promise<void>((resolve) => {
        onAcknowledged = resolve;
      });
      // A session that cannot store what it received ends with the reason.
      const session = host.runJob('air', 'poll telemetry');
      session.catch(() => undefined);
      await Promise.race([acknowledgement, session]);
    },
    progress: () => acknowledged,
    close: async () => {
      await host.close();
      await broker.close();
    },
  };
};

conformance({
  connector: energy,
  simulator,
  folder: import.meta.dirname,
  settings: wired,
  // Unit 3 of the simulator is a DTSU666.
  settingsAt: ({ host, port }) => ({
    url: `modbus://${host}:${port}`,
    sheet: oneMeter,
    pause: 0,
    timeout: '1s',
    poll: '500ms',
  }),
  prepare: ['poll meters'],
  sampleQuery: () => ({
    query: METERS,
    variables: { r: [{ __typename: 'Company', uscc: company }] },
    check: (data) => {
      const { meters } = (
        data['_entities'] as { meters: { nodes: { register: string; unit: string }[]; totalCount: number } }[]
      )[0] as never as { meters: { nodes: { register: string; unit: string }[]; totalCount: number } };
      expect(meters.totalCount).toBe(
        createWorld().meters.filter((one) => one.protocol === 'modbus' && one.company === company).length,
      );
      for (const one of meters.nodes) expect(Number(one.register)).toBeGreaterThan(0);
    },
  }),
  batch: () => ({
    representations: [company, '91350100M000100Y43', createWorld().companies[2]?.uscc].map((uscc) => ({
      __typename: 'Company',
      uscc,
    })),
    selection: '... on Company { uscc meters(first: 2) { nodes { id } } }',
    unknown: 1,
    isUnknown: (entity) => (entity?.['meters'] as { nodes: unknown[] } | undefined)?.nodes.length === 0,
    calls: 0,
  }),
  live: { job: 'poll meters' },
  ingest: { 'poll meters': wiredMeter, 'poll telemetry': speakingMeter },
  malformed: { serve: respondWith([3, 4, 0x7f, 0xc0, 0, 0]), field: /register 0x101e of unit 3/ },
  rejection: { serve: respondWith([0x83, 2]) },
  fixture: (name, bytes) => {
    if (name === 'sheet') return mapping.parseMeterSheet(bytes.toString('utf8'));
    if (name.startsWith('sunspec')) return mapping.importedEnergy(Buffer.from(bytes.toString('utf8').trim(), 'hex'));
    if (name === 'info') return mapping.parseMeterInfo('LS1', bytes);
    return name === 'alarm' ? mapping.parseAlarm('LS1', bytes) : mapping.parseReadings('LS1', bytes);
  },
});
