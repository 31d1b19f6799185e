/** A park with three parking systems: one responds, one fails, one never responds; all record the requests they receive. */

import { mkdirSync } from 'node:fs';
import { createServer, type Server, request as send } from 'node:http';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createWorld } from '../../connectors/kit/testing/park/index.ts';
import { simulator } from '../../connectors/parking/simulator/index.ts';

export interface RecordedRequest {
  readonly system: 'good' | 'failing' | 'frozen';
  readonly path: string;
  /** By `performance.now()`. */
  readonly at: number;
}

export interface TestPark {
  readonly requests: RecordedRequest[];
  /** The text of isthmus.yaml. */
  readonly settings: string;
  close(): Promise<void>;
}

/** Rate limit of the good system (calls per second), open duration of its breaker and deadline of an operation (milliseconds). */
export const RATE_LIMIT = 10;
export const OPEN_DURATION = 1_000;
export const DEADLINE = 1_500;
/** Points per caller and minute. */
export const POINTS = 1_200;

export async function startPark(directory: string): Promise<TestPark> {
  const folder = join(directory, 'parking');
  mkdirSync(folder, { recursive: true });
  const running = await simulator.start({
    ...{ directory: folder, world: createWorld(), now: () => new Date(), history: 3_600_000, live: false },
  });
  const requests: RecordedRequest[] = [];
  const servers: Server[] = [];
  const serve = async (
    system: RecordedRequest['system'],
    answer: Parameters<typeof createServer>[1],
  ): Promise<string> => {
    const server = createServer((request, response) => {
      requests.push({ system, path: request.url ?? '', at: performance.now() });
      answer?.(request, response as never);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  };
  const {
    LAKESIDE_PARKING_URL: url = '',
    LAKESIDE_PARKING_TOKEN: token,
    LAKESIDE_PARKING_SECRET: secret,
  } = running.env;
  const good = await serve('good', (request, response) => {
    const on = send(
      new URL(request.url ?? '/', url),
      { method: request.method, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    on.on('error', () => response.destroy());
    request.pipe(on);
  });
  const failing = await serve('failing', (_, response) => response.writeHead(503).end());
  const frozen = await serve('frozen', () => undefined);
  const base = new URL(url).pathname.replace(/\/$/, '');
  const one = (id: string, address: string, poll: string, guard: object) => ({
    ...{ id, park: id, connector: 'parking', token, webhookSecret: secret, poll, url: address + base },
    guard: { ...guard, retries: 0, keep: { ParkingLot: { fresh: '0ms', usable: '0ms' } } },
  });
  const settings = stringify({
    parks: ['good', 'failing', 'frozen'].map((id) => ({ id, name: id, region: '350211', buildings: [] })),
    installations: [
      one('good', good, '1s', { rate: RATE_LIMIT, checkUp: '1s' }),
      one('failing', failing, '1h', { failureThreshold: 2, openDuration: `${OPEN_DURATION}ms`, checkDown: '1h' }),
      one('frozen', frozen, '1h', { failureThreshold: 1_000, checkDown: '1h' }),
    ],
    limits: { rate: POINTS },
    deadline: `${DEADLINE}ms`,
    auth: { demo: true },
    anonymous: 'developer',
  });
  return {
    requests: requests,
    settings,
    close: async () => {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      }
      await running.close();
    },
  };
}
