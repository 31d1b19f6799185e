/** `isthmus gateway --deadline`: a subgraph that never responds affects only its own fields, and takes no longer than the deadline. */
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { silentLog } from '../connectors/kit/log.ts';
import { startStandaloneGateway } from '../gateway/standalone-gateway.ts';
import { compose } from '../schema/compose.ts';
import { isthmusArgs } from './run-isthmus.ts';

test('gateway deadline: reports SOURCE_TIMEOUT at the fields of a subgraph that never responds', async () => {
  const servers = ['{"data":{"near":1}}', null].map((answer) =>
    createServer((request, response) => {
      request.resume();
      if (answer !== null) response.setHeader('content-type', 'application/json').end(answer);
    }),
  );
  const urls = await Promise.all(
    servers.map(async (server) => {
      await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    }),
  );
  const { supergraph } = compose([
    { name: 'near', sdl: 'type Query { near: Int }', url: String(urls[0]) },
    { name: 'far', sdl: 'type Query { far: Int }', url: String(urls[1]) },
  ]);
  const gateway = await startStandaloneGateway({
    supergraph,
    host: '127.0.0.1',
    port: 0,
    unprotected: false,
    deadline: 200,
    log: silentLog,
  });
  try {
    const answer = await fetch(`${gateway.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ near far }' }),
    });
    expect(await answer.json()).toMatchObject({
      data: { near: 1, far: null },
      errors: [{ path: ['far'], extensions: { code: 'SOURCE_TIMEOUT' } }],
    });
  } finally {
    await gateway.stop();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  }
});

test.each(['soon', '0s', '10'])('gateway deadline: rejects --deadline %s with an example', (given) => {
  const { status, stderr } = spawnSync(process.execPath, isthmusArgs('gateway', '--deadline', given), {
    cwd: join(import.meta.dirname, '..'),
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr).toContain(
    `--deadline must be a duration above 0 such as 500ms, 10s or 1m, found "${given}"; example: isthmus gateway --deadline 10s`,
  );
});
