/** Which companies a hub marks stale, and the states of its sources. */
import { setTimeout as pause } from 'node:timers/promises';
import { ask } from '../../gateway/bench/hub/operations.ts';
import type { ParkAddresses } from '../../gateway/bench/hub/parks/park-simulators.ts';

/** A source of `/readyz`. */
export interface SourceState {
  readonly id: string;
  readonly state: string;
}

/** The states of all sources. */
export async function readStates(port: number): Promise<readonly SourceState[]> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`);
  return ((await response.json()) as { sources: SourceState[] }).sources;
}

/** The states once `isReached` accepts them, or after `seconds`. */
export async function waitForStates(
  port: number,
  seconds: number,
  isReached: (states: readonly SourceState[]) => boolean,
): Promise<readonly SourceState[]> {
  let states = await readStates(port);
  for (let second = 0; second < seconds && !isReached(states); second++) {
    await pause(1_000);
    states = await readStates(port);
  }
  return states;
}

/** Credit codes that only one of the parks has, by park. */
export function companiesOfOnePark(parks: readonly ParkAddresses[]): Map<string, string[]> {
  const owners = new Map<string, number>();
  for (const uscc of parks.flatMap(({ companies }) => companies)) owners.set(uscc, (owners.get(uscc) ?? 0) + 1);
  return new Map(parks.map(({ id, companies }) => [id, companies.filter((uscc) => owners.get(uscc) === 1)]));
}

const ORIGIN = `query Origin($uscc: USCC!) {
  company(uscc: $uscc) { registration { provenance { stale } } vehicles(first: 1) { provenance { stale } } }
}`;

interface Origin {
  readonly data: {
    readonly company: Readonly<
      Record<'registration' | 'vehicles', { readonly provenance: { readonly stale: boolean } } | null>
    > | null;
  };
}

/** Attempts to get a response from a hub that has just been under load, and milliseconds between them. */
const ATTEMPTS = 3;
const PAUSE = 2_000;

/** Whether the register entry or the cars of the company are marked stale; null if the hub does not answer. */
export async function askOrigin(
  port: number,
  uscc: string,
  headers: Readonly<Record<string, string>>,
): Promise<boolean | null> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) await pause(PAUSE);
    const response = await ask(port, { query: ORIGIN, variables: { uscc } }, headers).catch(() => null);
    if (response === null) continue;
    const { company } = (response as Origin).data;
    return [company?.registration, company?.vehicles].some((part) => part?.provenance.stale === true);
  }
  return null;
}
