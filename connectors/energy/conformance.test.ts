/** The suite of the contract for meters: one behind a Modbus gateway, which is asked, and one that speaks by itself over MQTT. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { conformance } from '../kit/testing/conformance/conformance.ts';
import { STILL } from '../kit/testing/conformance/conformance-faults.ts';
import type { WayIn } from '../kit/testing/conformance/conformance-ingest.ts';
import { world } from '../kit/testing/park/index.ts';
import { listen, type Running } from '../kit/testing/simulator.ts';
import { raiseIsland } from '../kit/testing/test-installation.ts';
import energy from './index.ts';
import * as mapping from './mapping/index.ts';
import { startBroker } from './simulator/broker.ts';
import { simulator } from './simulator/index.ts';
import { modbusServer, uint32 } from './simulator/modbus.ts';

const scratch = mkdtempSync(join(tmpdir(), 'isthmus-energy-'));
const oneMeter = join(scratch, 'one.csv');
writeFileSync(oneMeter, 'unit_id,map,serial,medium,unit,building,uscc,customer\n3,dtsu666,ONE,ELECTRICITY,kWh,B01,,\n');
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const wired = ({ env }: Running) => ({
  url: env['LAKESIDE_METERS_URL'],
  sheet: env['LAKESIDE_METERS_SHEET'],
  pause: 0,
});
/** Answers each request with this body. */
const answering =
  (body: readonly number[]) =>
  (socket: Socket, asked = (): void => undefined) =>
    socket.on('data', (frame: Buffer) => {
      asked();
      const head = Buffer.from(frame.subarray(0, 7));
      head.writeUInt16BE(body.length + 1, 4);
      socket.write(Buffer.concat([head, Buffer.from(body)]));
    });
const METERS =
  'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { uscc meters(first: 5) { nodes { id medium unit register latest { value quality } } totalCount provenance { source stale } } } } }';
const company = world().meters.find((one) => one.protocol === 'modbus' && one.company)?.company as string;

/** Each round reads one more register value: it is a reading of its own, whether it could be committed at once or not. */
const wiredMeter: WayIn = async ({ database, sql }) => {
  let asked = 0;
  const words = () => new Map(uint32(1_000 + asked).map((word, i) => [i, word]));
  const gateway = modbusServer(new Map([[1, words]]), () => asked++);
  const raw = {
    url: `modbus://127.0.0.1:${await listen(gateway.server)}`,
    meters: [{ unit_id: 1, map: 'pulse', serial: 'W1', medium: 'ELECTRICITY' }],
    ...{ pause: 0, poll: '1h' },
  };
  const host = await raiseIsland(energy, { id: 'wired', raw }, database, { pace: STILL });
  await host.check('wired');
  return {
    ...{ kind: 'METER_READING_TAKEN', installation: 'wired' },
    happen: () => {
      asked = 0;
    },
    events: () => asked,
    take: () => host.runJob('wired', 'poll meters'),
    taken: () => sql("SELECT count(*) FROM meter_reading WHERE meter = 'wired:W1'"),
    close: async () => {
      await host.close();
      gateway.drop();
      await new Promise((resolve) => gateway.server.close(resolve));
    },
  };
};

/** The broker counts what was acknowledged; what was not comes again with the next session. */
const speakingMeter: WayIn = async ({ database }) => {
  let [published, acknowledged] = [0, 0];
  let heard = (): void => undefined;
  const broker = await startBroker(undefined, (made) => {
    made.on('ack', (_packet, client) => {
      if (client.id !== 'air') return;
      acknowledged++;
      heard();
    });
  });
  const subscribed = broker.subscribed();
  const raw = { url: `mqtt://127.0.0.1:${broker.port}` };
  const host = await raiseIsland(energy, { id: 'air', raw }, database, { pace: STILL });
  await subscribed;
  return {
    ...{ kind: 'METER_READING_TAKEN', installation: 'air' },
    happen: () => {
      published++;
      return broker.publish('park/g/M1/telemetry', { ts: new Date().toISOString(), register: '1' });
    },
    take: async () => {
      if (acknowledged === published) return;
      const acknowledgement = new Promise<void>((resolve) => {
        heard = resolve;
      });
      // A session that could not keep what it heard ends, with the reason.
      const session = host.runJob('air', 'poll telemetry');
      session.catch(() => undefined);
      await Promise.race([acknowledgement, session]);
    },
    taken: () => acknowledged,
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
  question: () => ({
    query: METERS,
    variables: { r: [{ __typename: 'Company', uscc: company }] },
    check: (data) => {
      const { meters } = (
        data['_entities'] as { meters: { nodes: { register: string; unit: string }[]; totalCount: number } }[]
      )[0] as never as { meters: { nodes: { register: string; unit: string }[]; totalCount: number } };
      expect(meters.totalCount).toBe(
        world().meters.filter((one) => one.protocol === 'modbus' && one.company === company).length,
      );
      for (const one of meters.nodes) expect(Number(one.register)).toBeGreaterThan(0);
    },
  }),
  batch: () => ({
    representations: [company, '91350100M000100Y43', world().companies[2]?.uscc].map((uscc) => ({
      __typename: 'Company',
      uscc,
    })),
    selection: '... on Company { uscc meters(first: 2) { nodes { id } } }',
    unknown: 1,
    isUnknown: (entity) => (entity?.['meters'] as { nodes: unknown[] } | undefined)?.nodes.length === 0,
    calls: 0,
  }),
  live: { job: 'poll meters' },
  inflow: { 'poll meters': wiredMeter, 'poll telemetry': speakingMeter },
  nonsense: { serve: answering([3, 4, 0x7f, 0xc0, 0, 0]), field: /register 0x101e of unit 3/ },
  refusal: { serve: answering([0x83, 2]) },
  fixture: (name, bytes) => {
    if (name === 'sheet') return mapping.meterSheet(bytes.toString('utf8'));
    if (name.startsWith('sunspec')) return mapping.importedEnergy(Buffer.from(bytes.toString('utf8').trim(), 'hex'));
    if (name === 'info') return mapping.info('LS1', bytes);
    return name === 'alarm' ? mapping.alarm('LS1', bytes) : mapping.readings('LS1', bytes);
  },
});
