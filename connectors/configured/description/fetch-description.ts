/** What descriptions are fetched with: an installation's headers, at its own origin and nowhere else. */
import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Agent, request } from 'undici';
import { readBytes } from './description-bytes.ts';

/** Where an installation answers, and what it is asked with. */
export interface Caller {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What stands at an address. */
export interface Fetched {
  readonly bytes: Buffer;
  /** Its media type; empty where the server says none. */
  readonly type: string;
}

const TIME = 10_000;
const REDIRECTS = 5;

/** Link-local addresses, where clouds tell machines their own secrets, and those that some clouds use instead. */
const METADATA = new BlockList();
METADATA.addSubnet('169.254.0.0', 16, 'ipv4');
METADATA.addAddress('100.100.100.200', 'ipv4');
METADATA.addSubnet('fe80::', 10, 'ipv6');
METADATA.addAddress('fd00:ec2::254', 'ipv6');

const isMetadata = (address: string): boolean =>
  isIP(address) !== 0 && METADATA.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

const refusal = (host: string): Error =>
  new Error(`${host} is a link-local address, which is not fetched; copy the description beside isthmus.yaml`);

/** A name may lead to such an address too: it is looked at where the connection is made. */
const safeLookup: LookupFunction = (host, options, done) =>
  lookup(host, options, (error, found, family) => {
    const all = typeof found === 'string' ? [found] : (found ?? []).map((one) => one.address);
    if (!error && all.some(isMetadata)) done(refusal(host), []);
    else done(error, found as string, family);
  });
const agent = new Agent({ keepAliveTimeout: 1_000, connections: 4, connect: { timeout: 2_000, lookup: safeLookup } });

/** The headers of the first of the callers that has that origin and names any. */
function headersAt(address: URL, callers: readonly Caller[]): Record<string, string> {
  const own = callers.find(
    (one) => Object.keys(one.headers).length > 0 && URL.canParse(one.url) && new URL(one.url).origin === address.origin,
  );
  try {
    return Object.fromEntries(new Headers(own?.headers));
  } catch {
    // What `Headers` throws has the value in it.
    throw new Error('a header is none that HTTP allows');
  }
}

/**
 * Fetches an address, 16 MiB at most, within ten seconds. Redirects are followed within its origin only: another host is nobody that
 * the operator has named. Rejects with `Error`.
 */
export async function fetchAt(url: string, callers: readonly Caller[], signal?: AbortSignal): Promise<Fetched> {
  const within = AbortSignal.any([AbortSignal.timeout(TIME), ...(signal ? [signal] : [])]);
  let address = new URL(url);
  const { origin } = address;
  for (let n = 0; n <= REDIRECTS; n++) {
    const host = address.hostname.replace(/^\[|\]$/g, '');
    if (isMetadata(host)) throw refusal(host);
    const answer = await request(address, {
      headers: headersAt(address, callers),
      dispatcher: agent,
      signal: within,
    });
    const { statusCode: status, headers } = answer;
    const onward = [301, 302, 303, 307, 308].includes(status) ? headers['location'] : null;
    if (typeof onward !== 'string') {
      if (status < 200 || status > 299) {
        await answer.body.dump();
        throw new Error(`HTTP ${status}`);
      }
      const bytes = await readBytes(answer.body);
      return { bytes, type: String(headers['content-type'] ?? '') };
    }
    await answer.body.dump();
    address = new URL(onward, address);
    if (address.origin !== origin)
      throw new Error(
        `it leads to another origin (${address.origin.slice(0, 100)}), which is not followed; name the address where the description is, or copy it beside isthmus.yaml`,
      );
  }
  throw new Error('it leads elsewhere without an end');
}
