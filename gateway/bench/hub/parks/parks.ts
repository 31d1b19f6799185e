/** Parks of five installations each on simulators that share a process, and the hub's configuration for them. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { killOnExit } from '../../../../schema/database/embedded/on-exit.ts';
import { demoConfiguration } from '../demo-hub.ts';
import type { GrowthPlace } from '../growth.ts';
import type { ParkAddresses, ParksReady } from './park-simulators.ts';

const THIS_FILE = fileURLToPath(import.meta.url);
const PROGRAM = THIS_FILE.replace(/parks(\.[jt]s)$/, 'park-simulators$1');
/** Installations of the demo that each park has, by the second part of their ids. */
const KINDS = ['parking', 'register', 'meters', 'environment', 'work-orders'];
export const INSTALLATIONS_PER_PARK = KINDS.length;

/** Running simulators of several parks. */
export interface RunningParks {
  readonly pid: number;
  readonly parks: readonly ParkAddresses[];
  /** Stops the simulators of one park: its five addresses refuse connections. */
  takeDown(park: string): Promise<void>;
  /** Stops all of them. */
  stop(): Promise<void>;
}

/** Starts the simulators of `count` parks, with their state below `data`. Rejects if the process ends first. */
export async function startParks(count: number, data: string): Promise<RunningParks> {
  const folder = join(data, 'parks');
  mkdirSync(folder, { recursive: true });
  const execArgv = PROGRAM.endsWith('.ts') ? ['--import', import.meta.resolve('tsx')] : [];
  const child = fork(PROGRAM, [String(count), folder], { execArgv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  killOnExit(child, 'SIGKILL');
  const { parks } = (await nextMessage(child)) as ParksReady;
  return {
    pid: child.pid as number,
    parks,
    takeDown: async (park) => {
      const answer = nextMessage(child);
      child.send({ down: park });
      await answer;
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`The parks' simulators exited with code ${code}.`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message);
    });
  });
}

interface Section {
  readonly id: string;
  readonly [setting: string]: unknown;
}

/**
 * The demo's configuration with these parks added, or with these parks only. Names in `${...}` of their installations are replaced by
 * their addresses; those of the demo's own installations remain.
 */
export function withParks(parks: readonly ParkAddresses[], { demo }: { readonly demo: boolean }): string {
  const {
    parks: own,
    installations,
    ...rest
  } = parse(demoConfiguration()) as {
    parks: (Section & { buildings: (Section & { known: string[] })[] })[];
    installations: Section[];
  };
  const templates = installations.filter(({ id }) => KINDS.includes(id.replace('lakeside-', '')));
  const rename = (id: string, park: string) => id.replace('lakeside', park);
  const added = parks.map(({ id, name, env }) => ({
    park: {
      ...own[0],
      id,
      name,
      buildings: own[0]?.buildings.map((building) => ({ ...building, id: rename(building.id, id) })),
    },
    installations: templates.map(({ callback: _, ...template }) => {
      const text = JSON.stringify({ ...template, id: rename(template.id, id), park: id });
      return JSON.parse(
        text.replace(/\$\{(LAKESIDE_\w+)\}/g, (all, variable: string) => env[variable] ?? all),
      ) as Section;
    }),
  }));
  return stringify({
    ...rest,
    parks: [...(demo ? own : []), ...added.map(({ park }) => park)],
    installations: [...(demo ? installations : []), ...added.flatMap((one) => one.installations)],
  });
}

/** Where grown records of these parks are. */
export const placesOf = (parks: readonly string[]): GrowthPlace => ({
  installations: parks.map((park) => ({ park, register: `${park}-register`, meters: `${park}-meters` })),
});
