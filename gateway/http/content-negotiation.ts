/** Content negotiation of `/graphql` (RFC 9110 section 12.5.1). */
import { LRUCache } from 'lru-cache';

export const JSON_TYPE = 'application/json';
export const GRAPHQL_RESPONSE = 'application/graphql-response+json';

/** The response formats that a request accepts. */
export interface Accepted {
  /** Whether JSON is accepted, in either of its media types. */
  readonly json: boolean;
  /** The preferred media type of JSON. */
  readonly jsonType: typeof JSON_TYPE | typeof GRAPHQL_RESPONSE;
  /** The preferred one of the streams that the header names; null: it names none. A wildcard does not request a stream. */
  readonly stream: 'sse' | 'multipart' | null;
  /** True when `text/html` is named and preferred to JSON, as by a browser's address bar. */
  readonly prefersHtml: boolean;
}

interface Range {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** 0 to 1; 0: not accepted. */
  readonly quality: number;
}

const cache = new LRUCache<string, Accepted>({ max: 200 });
/** Characters. Longer headers are parsed each time. */
const MAX_CACHED = 1_000;

/** Parses an `accept` header; absent: everything is accepted. */
export function readAccept(header: string | undefined): Accepted {
  const text = header ?? '*/*';
  const cached = cache.get(text);
  if (cached) return cached;
  const accepted = negotiate(text.split(',').map(readRange));
  if (text.length <= MAX_CACHED) cache.set(text, accepted);
  return accepted;
}

function negotiate(ranges: readonly Range[]): Accepted {
  const named = (type: string): Range | undefined => ranges.find((range) => range.type === type);
  const graphqlResponse = named(GRAPHQL_RESPONSE);
  const json = named(JSON_TYPE);
  const streams = ranges
    .flatMap((range) => {
      const stream = streamOf(range);
      return stream && range.quality > 0 ? [{ stream, quality: range.quality }] : [];
    })
    // A stable sort: of equal qualities, the first.
    .sort((a, b) => b.quality - a.quality);
  return {
    json: qualityOf(ranges, JSON_TYPE) > 0 || qualityOf(ranges, GRAPHQL_RESPONSE) > 0,
    jsonType: graphqlResponse && prefers(ranges, graphqlResponse, json) ? GRAPHQL_RESPONSE : JSON_TYPE,
    stream: streams[0]?.stream ?? null,
    prefersHtml: (named('text/html')?.quality ?? 0) > Math.max(graphqlResponse?.quality ?? 0, json?.quality ?? 0),
  };
}

function prefers(ranges: readonly Range[], range: Range, other: Range | undefined): boolean {
  if (range.quality === 0 || !other) return range.quality > 0;
  if (range.quality !== other.quality) return range.quality > other.quality;
  return ranges.indexOf(range) < ranges.indexOf(other);
}

/** `multipart/mixed` requests Apollo's subscription protocol only with its version; without, it is for `@defer`. */
function streamOf({ type, parameters }: Range): Accepted['stream'] {
  if (type === 'text/event-stream') return 'sse';
  return type === 'multipart/mixed' && parameters.has('subscriptionspec') ? 'multipart' : null;
}

/** The quality of a media type by the most specific range that matches; 0: none matches. */
function qualityOf(ranges: readonly Range[], type: string): number {
  for (const pattern of [type, `${type.split('/', 1)[0]}/*`, '*/*']) {
    const qualities = ranges.filter((range) => range.type === pattern).map((range) => range.quality);
    if (qualities.length > 0) return Math.max(...qualities);
  }
  return 0;
}

function readRange(text: string): Range {
  const [type = '', ...rest] = text.split(';').map((part) => part.trim());
  const parameters = new Map(
    rest.map((part) => {
      const at = part.indexOf('=');
      const name = at < 0 ? part : part.slice(0, at);
      const value = at < 0 ? '' : part.slice(at + 1).trim();
      return [name.trim().toLowerCase(), value.replace(/^"(.*)"$/, '$1')] as const;
    }),
  );
  const weight = parameters.get('q');
  // An invalid weight counts as absent.
  const quality = weight !== undefined && /^[01](\.\d*)?$/.test(weight) ? Math.min(Number(weight), 1) : 1;
  return { type: type.toLowerCase(), parameters, quality };
}
