/**
 * A pretend parking back end, written from the manual of APDS (ISO/TS 5206-1): REST with a token and paging, webhooks signed and
 * told at least once. An independent witness: it shares nothing with the connector.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Journal, listen, type Running, type Simulator, tellStory } from '../../kit/testing/simulator.ts';
import { Backend } from './backend.ts';

const TOKEN = 'lakeside-parking-demo-token';
const SECRET = 'lakeside-parking-demo-webhook-secret';

async function handle(
  backend: Backend,
  journal: Journal,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const say = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  if (request.headers['x-mcc-access-token'] !== TOKEN)
    return say(401, { status: 'error', code: 401, message: 'No or wrong token' });
  const text = Buffer.concat(parts).toString('utf8');
  const body = text ? (JSON.parse(text) as unknown) : {};
  const made = backend.answer(request.method ?? 'GET', url.pathname, url.searchParams, body);
  journal.append({ operation: `${request.method} ${url.pathname}`, query: url.search, status: made.status });
  say(made.status, made.body);
}

export const simulator: Simulator = {
  name: 'parking',
  start: async (options): Promise<Running> => {
    const journal = new Journal(options.directory);
    const backend = new Backend(options, journal, SECRET);
    const server = createServer((request, response) => {
      handle(backend, journal, request, response).catch(() => response.destroy());
    });
    const port = await listen(server, options.ports?.['http']);
    const teller = tellStory(options, (moment) => {
      if (moment.kind === 'enter' || moment.kind === 'exit') backend.drive(moment);
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
          backend.close();
          server.closeAllConnections();
          server.close(() => resolve());
        });
        return closed;
      },
    };
  },
};
