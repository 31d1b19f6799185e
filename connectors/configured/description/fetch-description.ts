/** Fetches descriptions over HTTP. An installation's headers are sent to its own origin only. */
import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Agent, request } from 'undici';
import { readDescriptionBytes } from './description-bytes.ts';

/** Base URL of an installation and the headers of its calls. */
export interface InstallationEndpoint {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A fetched document. */
export interface FetchedDocument {
  readonly bytes: Buffer;
  /** Media type; empty if the server sends none. */
  readonly type: string;
}

/** Milliseconds for the whole fetch, redirects included. */
const TIMEOUT = 10_000;
const MAX_REDIRECTS = 5;

/** Cloud metadata services, which give out a machine's credentials: link-local addresses, and those some clouds use instead. */
const METADATA = new BlockList();
METADATA.addSubnet('169.254.0.0', 16, 'ipv4');
METADATA.addAddress('100.100.100.200', 'ipv4');
METADATA.addSubnet('fe80::', 10, 'ipv6');
METADATA.addAddress('fd00:ec2::254', 'ipv6');

const isMetadata = (address: string): boolean =>
  isIP(address) !== 0 && METADATA.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

const linkLocalError = (host: string): Error =>
  new Error(`${host} is a link-local address, which is not allowed; copy the description next to isthmus.yaml`);

/** Checks the resolved addresses, since a host name may point to a metadata service too. */
const safeLookup: LookupFunction = (host, options, done) =>
  lookup(host, options, (error, found, family) => {
    const addresses = typeof found === 'string' ? [found] : (found ?? []).map(({ address }) => address);
    if (!error && addresses.some(isMetadata)) done(linkLocalError(host), []);
    else done(error, found as string, family);
  });
const agent = new Agent({ keepAliveTimeout: 1_000, connections: 4, connect: { timeout: 2_000, lookup: safeLookup } });

/** Headers of the first endpoint with the origin of `address` that has any. */
function headersFor(address: URL, endpoints: readonly InstallationEndpoint[]): Record<string, string> {
  const own = endpoints.find(
    ({ url, headers }) =>
      Object.keys(headers).length > 0 && URL.canParse(url) && new URL(url).origin === address.origin,
  );
  try {
    return Object.fromEntries(new Headers(own?.headers));
  } catch {
    // The error of `Headers` contains the value, which may be a secret.
    throw new Error('a header contains characters that HTTP does not allow');
  }
}

/**
 * Fetches a document: 16 MiB at most, within `TIMEOUT`. Follows up to 5 redirects within the origin of `url`; the operator has not named
 * other hosts. Rejects with `Error`.
 */
export async function fetchDocument(
  url: string,
  endpoints: readonly InstallationEndpoint[],
  signal?: AbortSignal,
): Promise<FetchedDocument> {
  const deadline = AbortSignal.any([AbortSignal.timeout(TIMEOUT), ...(signal ? [signal] : [])]);
  let address = new URL(url);
  const { origin } = address;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const host = address.hostname.replace(/^\[|\]$/g, '');
    if (isMetadata(host)) throw linkLocalError(host);
    const response = await request(address, {
      headers: headersFor(address, endpoints),
      dispatcher: agent,
      signal: deadline,
    });
    const { statusCode: status, headers } = response;
    const location = [301, 302, 303, 307, 308].includes(status) ? headers['location'] : null;
    if (typeof location !== 'string') {
      if (status < 200 || status > 299) {
        await response.body.dump();
        throw new Error(`HTTP ${status}`);
      }
      const bytes = await readDescriptionBytes(response.body);
      return { bytes, type: String(headers['content-type'] ?? '') };
    }
    await response.body.dump();
    address = new URL(location, address);
    if (address.origin !== origin)
      throw new Error(
        `it redirects to another origin (${address.origin.slice(0, 100)}); use the final URL, or copy the description next to isthmus.yaml`,
      );
  }
  throw new Error(`it redirects more than ${MAX_REDIRECTS} times`);
}
