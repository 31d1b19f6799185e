/** Calls to the simulators, from the journals that they keep. The door system's database keeps none. */
import { join } from 'node:path';
import { readJournal } from '../../../connectors/kit/testing/simulator.ts';

/** Operations of the simulators that answer queries, by simulator. Others are jobs of the hub. */
const QUERIES: Readonly<Record<string, readonly string[]>> = {
  registration: ['getCompany'],
  parking: ['GET /rights/assigned', 'GET /sessions', 'GET /places'],
};

/** Calls since `start` for one of `times` requests, by operation. Polls of the hub for the same operation are included. */
export function upstreamCalls(data: string, start: Date, times: number): Readonly<Record<string, number>> {
  const since = start.toISOString();
  const counts: Record<string, number> = {};
  for (const [simulator, operations] of Object.entries(QUERIES)) {
    const entries = readJournal(join(data, 'simulators', simulator)).filter(({ at }) => at >= since);
    for (const operation of operations)
      counts[`${simulator} ${operation}`] = entries.filter((entry) => entry.operation === operation).length / times;
  }
  return counts;
}
