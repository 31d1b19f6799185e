/** What descriptions are fetched with: an installation's headers, at its own origin and nowhere else. */

/** Where an installation answers, and what it is asked with. */
export interface Caller {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

const TIME = 10_000;
const REDIRECTS = 5;

/** The headers of the first of the callers that has that origin and names any. */
function headersAt(address: URL, callers: readonly Caller[]): Headers {
  const own = callers.find(
    (one) => Object.keys(one.headers).length > 0 && URL.canParse(one.url) && new URL(one.url).origin === address.origin,
  );
  try {
    return new Headers(own?.headers);
  } catch {
    // What `Headers` throws has the value in it.
    throw new Error('a header is none that HTTP allows');
  }
}

/** Fetches an address; each step of a redirect carries the headers of its own origin only. Rejects with `Error`. */
export async function fetchAt(url: string, callers: readonly Caller[], signal?: AbortSignal): Promise<Response> {
  const within = AbortSignal.any([AbortSignal.timeout(TIME), ...(signal ? [signal] : [])]);
  let address = new URL(url);
  for (let n = 0; n <= REDIRECTS; n++) {
    const answer = await fetch(address, { headers: headersAt(address, callers), redirect: 'manual', signal: within });
    const onward = [301, 302, 303, 307, 308].includes(answer.status) ? answer.headers.get('location') : null;
    if (onward === null) return answer;
    await answer.body?.cancel();
    address = new URL(onward, address);
    // `fetch` would also read data: addresses.
    if (!/^https?:$/.test(address.protocol)) break;
  }
  throw new Error('it leads elsewhere without an end');
}
