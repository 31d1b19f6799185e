/**
 * Simulators of several parks in one process: `park-simulators COUNT FOLDER`. Each park has companies of its own, and each installation an
 * address of its own. Sends the addresses to its parent when all serve; for the message `{ down: PARK }` it stops the park's simulators.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createWorld } from '../../../../connectors/kit/testing/park/index.ts';
import type { RunningSimulator } from '../../../../connectors/kit/testing/simulator.ts';
import { SIMULATORS } from '../../../../connectors/simulator-list.ts';

/** Simulators of each park; together they serve five installations. */
const KINDS = ['parking', 'registration', 'energy', 'environment', 'work-orders'];
/** Milliseconds of history that they serve. */
const HISTORY = 86_400_000;

/** A park with the variables that its installations are configured with. */
export interface ParkAddresses {
  readonly id: string;
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly companies: readonly string[];
}

/** The first message of the process. */
export interface ParksReady {
  readonly parks: readonly ParkAddresses[];
}

export const parkId = (index: number): string => `park-${String(index + 1).padStart(2, '0')}`;

async function startPark(index: number, folder: string) {
  const id = parkId(index);
  const world = createWorld(id, new Date());
  const running: RunningSimulator[] = [];
  for (const kind of KINDS) {
    const directory = join(folder, id, kind);
    mkdirSync(directory, { recursive: true });
    const { simulator } = await (SIMULATORS[kind] as (typeof SIMULATORS)[string])();
    running.push(await simulator.start({ directory, world, now: () => new Date(), history: HISTORY, live: false }));
  }
  const env: Record<string, string> = Object.assign({}, ...running.map((one) => one.env));
  const addresses: ParkAddresses = {
    id,
    name: `${world.park.name}${index + 1}`,
    env,
    companies: world.companies.map(({ uscc }) => uscc),
  };
  return { addresses, stop: () => Promise.all(running.map((one) => one.close())) };
}

const [count, folder] = process.argv.slice(2);
const parks = new Map<string, Awaited<ReturnType<typeof startPark>>>();
process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  const { down } = message as { down: string };
  void parks
    .get(down)
    ?.stop()
    .then(() => process.send?.({ isDown: down }));
});
for (let index = 0; index < Number(count); index++) parks.set(parkId(index), await startPark(index, folder ?? ''));
process.send?.({ parks: [...parks.values()].map(({ addresses }) => addresses) } satisfies ParksReady);
