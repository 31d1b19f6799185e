/** C14 of the suite for meters: one behind a Modbus gateway, which is asked, and one that speaks by itself over MQTT. */
import { STILL } from '../kit/testing/faults.ts';
import type { WayIn } from '../kit/testing/inflow.ts';
import { raiseIsland } from '../kit/testing/island.ts';
import { listen } from '../kit/testing/simulator.ts';
import energy from './index.ts';
import { startBroker } from './simulator/broker.ts';
import { modbusServer, uint32 } from './simulator/modbus.ts';

/** Each round reads one more register value: it is a reading of its own, whether it could be committed at once or not. */
export const wiredMeter: WayIn = async ({ database, sql }) => {
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
export const speakingMeter: WayIn = async ({ database }) => {
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
