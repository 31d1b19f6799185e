/**
 * `/explorer/`: the page's files; `settings.json`, the issuers for signing in; `caller`, the caller of the request's token. The content
 * security policy lets the page call this hub and the configured issuers only.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../../../connectors/kit/auth/principal.ts';
import { systemClock } from '../../../connectors/kit/clock.ts';
import type { ExplorerClient } from '../../../connectors/kit/config/sections/explorer.ts';
import { HubError } from '../../../connectors/kit/errors.ts';
import { checkDiscoveredUrl, type Fetch, fetchDiscovery, limitedFetch } from '../../trust/tokens/issuer-keys.ts';
import type { ExplorerRoutes } from '../handlers.ts';
import { errorResponse, sendJson, sendResponse } from '../responses.ts';
import { serveFile } from './static-files.ts';

export interface ExplorerRoutesOptions {
  /** Folder of the built page. */
  readonly folder: string;
  readonly clients: readonly ExplorerClient[];
  /** Resolves with null without a token. Rejects with `HubError` for an invalid token. */
  authenticate(request: IncomingMessage): Promise<Principal | null>;
  /** Fetches discovery documents; absent: the platform's `fetch`. */
  readonly fetch?: Fetch;
}

/** Milliseconds until an issuer's discovery document is fetched again, and after a failure. */
const DISCOVERY_TTL = 600_000;
const FAILURE_TTL = 10_000;

export function createExplorerRoutes(options: ExplorerRoutesOptions): ExplorerRoutes {
  const issuers = options.clients.map((client) => issuerOrigins(client.issuer, options.fetch));
  const settings = { clients: options.clients };
  return {
    handle: async (request, response, path) => {
      const name = decodeURIComponent(path);
      if (name === 'settings.json') {
        response.setHeader('cache-control', 'no-cache');
        sendJson(response, 200, settings);
        return true;
      }
      if (name === 'caller') {
        await sendCaller(request, response, options);
        return true;
      }
      const connect = await Promise.all(issuers.map((origins) => origins()));
      return serveFile(response, options.folder, name, [...new Set(connect.flat())]);
    },
  };
}

async function sendCaller(
  request: IncomingMessage,
  response: ServerResponse,
  { authenticate }: Pick<ExplorerRoutesOptions, 'authenticate'>,
): Promise<void> {
  response.setHeader('cache-control', 'no-store');
  try {
    const caller = await authenticate(request);
    sendJson(response, 200, { caller: caller && callerInfo(caller) });
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    response.setHeader('www-authenticate', 'Bearer error="invalid_token"');
    sendResponse(response, errorResponse(error, 401));
  }
}

/** `expires` is null for a caller without a token. */
const callerInfo = ({ subject, client, roles, parks, companies, expires }: Principal) => ({
  subject,
  client,
  roles,
  parks,
  companies,
  expires: expires === null ? null : new Date(expires).toISOString(),
});

/** The origins that a page calls to sign in: the issuer's, and that of its token endpoint if discovery succeeds. */
function issuerOrigins(issuer: string, fetch?: Fetch): () => Promise<readonly string[]> {
  const boundedFetch = limitedFetch(fetch);
  const issuerOrigin = new URL(issuer).origin;
  let known: readonly string[] = [issuerOrigin];
  let discovery: Promise<readonly string[]> | null = null;
  let nextDiscovery = Number.NEGATIVE_INFINITY;
  return () => {
    if (discovery !== null) return discovery;
    if (systemClock.monotonic() < nextDiscovery) return Promise.resolve(known);
    discovery = fetchDiscovery(issuer, boundedFetch)
      .then((document) => {
        known = [...new Set([issuerOrigin, checkDiscoveredUrl(issuer, document['token_endpoint']).origin])];
        nextDiscovery = systemClock.monotonic() + DISCOVERY_TTL;
      })
      .catch(() => {
        nextDiscovery = systemClock.monotonic() + FAILURE_TTL;
      })
      .then(() => {
        discovery = null;
        return known;
      });
    return discovery;
  };
}
