/** Simulates the vendor's system. Written from its manual; shares no code with the connector. */
import { createServer } from 'node:http';
import type { RunningSimulator, Simulator } from '../kit/testing/simulator.ts';

const TOKEN = 'template-demo-token';

export const simulator: Simulator = {
  name: 'template',
  start: async ({ world, now, ports }): Promise<RunningSimulator> => {
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      const respond = (status: number, body: unknown) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(body));
      };
      if (request.headers.authorization !== `Bearer ${TOKEN}`) return respond(401, { error: 'token' });
      if (url.pathname === '/ping') return respond(200, { ok: true });
      if (url.pathname !== '/notices') return respond(404, { error: 'path' });
      const firms = (url.searchParams.get('firms') ?? '').split(',');
      const rows = world.companies
        .filter((company) => firms.includes(company.uscc))
        .map((company, i) => ({
          NO: `N${i + 1}`,
          FIRM: company.uscc,
          SUBJ: 'Fire drill on Friday',
          TS: Math.floor(now().getTime() / 86_400_000) * 86_400,
        }));
      respond(200, { rows });
    });
    await new Promise<void>((resolve) => server.listen(ports?.['http'] ?? 0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    return {
      ports: { http: port },
      env: { TEMPLATE_URL: `http://127.0.0.1:${port}`, TEMPLATE_TOKEN: TOKEN },
      close: () =>
        new Promise((resolve) => {
          server.closeAllConnections();
          server.close(() => resolve());
        }),
    };
  },
};
