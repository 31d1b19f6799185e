/**
 * `/explorer/`: the page's files; `settings.json`, where people may sign in; `caller`, who asks by the token that the request brings.
 * The page may call this hub and the configured issuers, nobody else.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../../../connectors/kit/auth/principal.ts';
import { systemClock } from '../../../connectors/kit/clock.ts';
import type { ExplorerClient } from '../../../connectors/kit/config/sections/explorer.ts';
import { HubError } from '../../../connectors/kit/errors.ts';
import { addressAt, discover, type Fetch, limitedFetch } from '../../trust/tokens/issuer-keys.ts';
import { fault, json, send } from '../responses.ts';
import { serveFile } from './static-files.ts';

export interface ExplorerOptions {
  /** Folder of the built page. */
  readonly folder: string;
  readonly clients: readonly ExplorerClient[];
  /** Null: nobody; rejects with `HubError` when the token is refused. */
  principal(request: IncomingMessage): Promise<Principal | null>;
  /** Reads discovery documents. */
  readonly fetch?: Fetch;
}

export interface Explorer {
  /** Answers GET or HEAD of what follows `/explorer/` in the address; false: there is nothing. Throws `URIError` for what is no address. */
  answer(request: IncomingMessage, response: ServerResponse, path: string): Promise<boolean>;
}

/** An issuer's addresses are asked anew after this, in milliseconds; sooner where they could not be had. */
const KNOWN_FOR = 600_000;
const UNKNOWN_FOR = 10_000;

export function makeExplorer(options: ExplorerOptions): Explorer {
  const issuers = options.clients.map((one) => issuerOrigins(one.issuer, options.fetch));
  const settings = { clients: options.clients };
  return {
    answer: async (request, response, path) => {
      const name = decodeURIComponent(path);
      if (name === 'settings.json') {
        response.setHeader('cache-control', 'no-cache');
        json(response, 200, settings);
        return true;
      }
      if (name === 'caller') {
        await answerCaller(request, response, options);
        return true;
      }
      const connect = await Promise.all(issuers.map((origins) => origins()));
      return serveFile(response, options.folder, name, [...new Set(connect.flat())]);
    },
  };
}

async function answerCaller(
  request: IncomingMessage,
  response: ServerResponse,
  { principal }: Pick<ExplorerOptions, 'principal'>,
): Promise<void> {
  response.setHeader('cache-control', 'no-store');
  try {
    const caller = await principal(request);
    json(response, 200, { caller: caller && shownCaller(caller) });
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    response.setHeader('www-authenticate', 'Bearer error="invalid_token"');
    send(response, fault(error, 401));
  }
}

/** What a caller is shown of itself. Without `expires` it has sent no token. */
const shownCaller = ({ subject, client, roles, parks, companies, expires }: Principal) => ({
  subject,
  client,
  roles,
  parks,
  companies,
  expires: expires === null ? null : new Date(expires).toISOString(),
});

/** The origins that a page calls to sign in: the issuer's own, and that of its token endpoint where the issuer can be asked for it. */
function issuerOrigins(issuer: string, fetch?: Fetch): () => Promise<readonly string[]> {
  const fetching = limitedFetch(fetch);
  const own = new URL(issuer).origin;
  let known: readonly string[] = [own];
  let asking: Promise<readonly string[]> | null = null;
  let again = Number.NEGATIVE_INFINITY;
  return () => {
    if (asking !== null) return asking;
    if (systemClock.monotonic() < again) return Promise.resolve(known);
    asking = discover(issuer, fetching)
      .then((document) => {
        known = [...new Set([own, addressAt(issuer, document['token_endpoint']).origin])];
        again = systemClock.monotonic() + KNOWN_FOR;
      })
      .catch(() => {
        again = systemClock.monotonic() + UNKNOWN_FOR;
      })
      .then(() => {
        asking = null;
        return known;
      });
    return asking;
  };
}
