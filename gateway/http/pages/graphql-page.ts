/** The page at `/graphql` for browsers: a redirect to the explorer, or a short text where the explorer is off. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendRedirect } from '../responses.ts';
import { setSecurityHeaders } from '../security/security-headers.ts';

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Isthmus</title>
<h1>This is a GraphQL endpoint</h1>
<p>Send operations by POST with <code>content-type: application/json</code>. The explorer is disabled.</p>
</html>
`;

/** True for a GET or HEAD without an operation; `search` is the query of the URL with its question mark. */
export function isPageRequest(request: IncomingMessage, search: string): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false;
  const parameters = new URLSearchParams(search);
  return !parameters.has('query') && !parameters.has('extensions');
}

/** Redirects to the explorer, or sends the text page. */
export function sendPage(
  request: IncomingMessage,
  response: ServerResponse,
  { hasExplorer }: { readonly hasExplorer: boolean },
): void {
  setSecurityHeaders(response);
  response.setHeader('vary', 'Accept, Origin');
  if (hasExplorer) {
    sendRedirect(response, '/explorer/');
    return;
  }
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
  response.end(request.method === 'HEAD' ? undefined : PAGE);
}
