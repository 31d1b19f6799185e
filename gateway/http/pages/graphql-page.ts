/** What a person sees who opens `/graphql` in a browser: the explorer, or a sentence where it is not served. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { redirect } from '../responses.ts';
import { shield } from '../security/security-headers.ts';

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Isthmus</title>
<h1>This is a GraphQL endpoint</h1>
<p>Send operations by POST with <code>content-type: application/json</code>. The explorer is not served here.</p>
</html>
`;

/** True for a GET that brings no operation along; `search` is the address from its question mark on. */
export function isPageRequest(request: IncomingMessage, search: string): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false;
  const given = new URLSearchParams(search);
  return !given.has('query') && !given.has('extensions');
}

/** Sends the browser to the explorer, or answers the page of this file. */
export function answerPage(request: IncomingMessage, response: ServerResponse, hasExplorer: boolean): void {
  shield(response);
  response.setHeader('vary', 'Accept, Origin');
  if (hasExplorer) {
    redirect(response, '/explorer/');
    return;
  }
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
  response.end(request.method === 'HEAD' ? undefined : PAGE);
}
