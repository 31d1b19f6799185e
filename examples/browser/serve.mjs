#!/usr/bin/env node
/**
 * Serves index.html from its own origin, as the server of an application would.
 *
 *   node examples/browser/serve.mjs
 *
 * ISTHMUS_URL  address of the hub, as the browser reaches it; default: http://localhost:4000, the demo
 * PAGE_PORT    port of the page; default: 5173
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const hub = process.env.ISTHMUS_URL || 'http://localhost:4000';
const page = new URL('index.html', import.meta.url);

const server = createServer(async (request, response) => {
  if (request.url !== '/') return response.writeHead(404).end();
  const html = (await readFile(page, 'utf8')).replace(
    'value="http://localhost:4000"',
    () => `value="${encodeURI(hub)}"`,
  );
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(html);
});
server.on('error', ({ message }) => {
  console.error(`Failed to serve the page: ${message}. Choose another port with PAGE_PORT.`);
  process.exitCode = 1;
});
server.listen(Number(process.env.PAGE_PORT || 5173), 'localhost', () => {
  console.log(`http://localhost:${server.address().port} shows the events of ${hub}.`);
});
