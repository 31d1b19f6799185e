/** Content negotiation of `/graphql` (RFC 9110 section 12.5.1). */
import { LRUCache } from 'lru-cache';

export const JSON_TYPE = 'application/json';
export const GRAPHQL_RESPONSE = 'application/graphql-response+json';

/** What a request's `accept` says of the answers that this hub can give. */
export interface Accepted {
  /** Whether JSON is accepted, in either of its media types. */
  readonly json: boolean;
  /** Media type of JSON that is preferred. */
  readonly jsonType: typeof JSON_TYPE | typeof GRAPHQL_RESPONSE;
  /** The stream that is preferred among those that the header names; null: it names none. A wildcard asks for no stream. */
  readonly stream: 'sse' | 'multipart' | null;
  /** Whether `text/html` is named and preferred to JSON, as browsers do for what is typed into the address bar. */
  readonly page: boolean;
}

interface Range {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** 0 to 1; 0: not accepted. */
  readonly quality: number;
}

const known = new LRUCache<string, Accepted>({ max: 200 });
/** Longer headers are read each time, in characters. */
const LONGEST_KNOWN = 1_000;

/** Reads an `accept` header; absent: everything is accepted. */
export function readAccept(header: string | undefined): Accepted {
  const text = header ?? '*/*';
  const before = known.get(text);
  if (before) return before;
  const accepted = negotiate(text.split(',').map(readRange));
  if (text.length <= LONGEST_KNOWN) known.set(text, accepted);
  return accepted;
}

function negotiate(ranges: readonly Range[]): Accepted {
  const named = (type: string): Range | undefined => ranges.find((one) => one.type === type);
  const newer = named(GRAPHQL_RESPONSE);
  const json = named(JSON_TYPE);
  const streams = ranges
    .flatMap((range) => {
      const stream = streamOf(range);
      return stream && range.quality > 0 ? [{ stream, quality: range.quality }] : [];
    })
    // Stable: of those that are wanted alike, the first.
    .sort((a, b) => b.quality - a.quality);
  return {
    json: qualityOf(ranges, JSON_TYPE) > 0 || qualityOf(ranges, GRAPHQL_RESPONSE) > 0,
    jsonType: newer && prefers(ranges, newer, json) ? GRAPHQL_RESPONSE : JSON_TYPE,
    stream: streams[0]?.stream ?? null,
    page: (named('text/html')?.quality ?? 0) > Math.max(newer?.quality ?? 0, json?.quality ?? 0),
  };
}

function prefers(ranges: readonly Range[], one: Range, other: Range | undefined): boolean {
  if (one.quality === 0 || !other) return one.quality > 0;
  if (one.quality !== other.quality) return one.quality > other.quality;
  return ranges.indexOf(one) < ranges.indexOf(other);
}

/** Multipart is Apollo's protocol of subscriptions only where its version is named; plain `multipart/mixed` is for `@defer`. */
function streamOf({ type, parameters }: Range): Accepted['stream'] {
  if (type === 'text/event-stream') return 'sse';
  return type === 'multipart/mixed' && parameters.has('subscriptionspec') ? 'multipart' : null;
}

/** The quality that the most specific of the ranges gives to a media type; 0: none matches. */
function qualityOf(ranges: readonly Range[], type: string): number {
  for (const pattern of [type, `${type.split('/', 1)[0]}/*`, '*/*']) {
    const qualities = ranges.filter((one) => one.type === pattern).map((one) => one.quality);
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
  // What is no number is as if it were absent.
  const quality = weight !== undefined && /^[01](\.\d*)?$/.test(weight) ? Math.min(Number(weight), 1) : 1;
  return { type: type.toLowerCase(), parameters, quality };
}
