/**
 * Simulates the parking vendor, written from the APDS manual (ISO/TS 5206-1): REST with token and paging, signed webhooks delivered
 * at least once. Shares no code with the connector, so that it tests it independently.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Journal, listen, playScenario, type RunningSimulator, type Simulator } from '../../kit/testing/simulator.ts';
import { RestApi } from './rest-api.ts';

const TOKEN = 'lakeside-parking-demo-token';
const SECRET = 'lakeside-parking-demo-webhook-secret';

async function handle(
  api: RestApi,
  journal: Journal,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const respond = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  if (request.headers['x-mcc-access-token'] !== TOKEN)
    return respond(401, { status: 'error', code: 401, message: 'No or wrong token' });
  const text = Buffer.concat(parts).toString('utf8');
  const body = text ? (JSON.parse(text) as unknown) : {};
  const result = api.handle(request.method ?? 'GET', url.pathname, url.searchParams, body);
  journal.append({ operation: `${request.method} ${url.pathname}`, query: url.search, status: result.status });
  respond(result.status, result.body);
}

export const simulator: Simulator = {
  name: 'parking',
  start: async (options): Promise<RunningSimulator> => {
    const journal = new Journal(options.directory);
    const api = new RestApi(options, journal, SECRET);
    const server = createServer((request, response) => {
      handle(api, journal, request, response).catch(() => response.destroy());
    });
    const port = await listen(server, options.ports?.['http']);
    const teller = playScenario(options, (moment) => {
      if (moment.kind === 'enter' || moment.kind === 'exit') api.drive(moment);
    });
    let closed: Promise<void> | undefined;
    return {
      ports: { http: port },
      env: {
        LAKESIDE_PARKING_URL: `http://127.0.0.1:${port}`,
        LAKESIDE_PARKING_TOKEN: TOKEN,
        LAKESIDE_PARKING_SECRET: SECRET,
      },
      close: () => {
        closed ??= new Promise((resolve) => {
          teller.stop();
          api.close();
          server.closeAllConnections();
          server.close(() => resolve());
        });
        return closed;
      },
    };
  },
};
