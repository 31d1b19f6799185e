/** HTTP client of the vendor's REST API: token, paging, and status codes mapped to source errors. */
import { Agent, request } from 'undici';
import { malformed, rejected, unavailable } from '../../kit/errors.ts';
import { ResponseBuffer, readResponse } from '../../kit/protocols/response-body.ts';
import * as mapping from '../mapping/index.ts';

export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** Rows per page of a list that is read completely. */
const PAGE_SIZE = 1_000;
/** A longer list is rejected as malformed. */
const MAX_PAGES = 200;

export class ParkingApi {
  readonly #base: string;
  readonly #token: string;
  readonly #agent = new Agent({ keepAliveTimeout: 10_000, connections: 8, connect: { timeout: 2_000 } });

  constructor(base: string, token: string) {
    this.#base = base.replace(/\/$/, '');
    this.#token = token;
  }

  /** GET; list values are joined by commas, as APDS defines. Throws SOURCE_REJECTED on 404. */
  async get(path: string, query: Query, signal: AbortSignal, buffer?: ResponseBuffer): Promise<unknown> {
    const found = await this.getOrNull(path, query, signal, buffer);
    if (found === null) throw rejected(`HTTP 404 to GET ${path}`);
    return found;
  }

  /** Like `get`, but resolves with null on 404. */
  getOrNull(path: string, query: Query, signal: AbortSignal, buffer?: ResponseBuffer): Promise<unknown> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) search.set(name, typeof value === 'object' ? value.join(',') : String(value));
    }
    return this.#send('GET', `${path}${search.size > 0 ? `?${search}` : ''}`, undefined, signal, buffer);
  }

  /**
   * Reads a whole list page by page. All pages are requested for the reference instant of the first page, so that concurrent
   * changes move no row between pages; rows deleted in the meantime are left out. All pages count towards one response size
   * limit. Throws SOURCE_MALFORMED after MAX_PAGES pages.
   */
  async getAll<T extends { readonly id: string }>(
    path: string,
    query: Query,
    item: (raw: unknown, where: string) => T,
    signal: AbortSignal,
  ): Promise<T[]> {
    const items: T[] = [];
    const deleted = new Set<string>();
    const buffer = new ResponseBuffer();
    let instant: number | undefined;
    try {
      for (let count = 0; count < MAX_PAGES; count++) {
        const pageQuery = { ...query, offset: items.length, page_size: PAGE_SIZE, reference_instant: instant };
        const page = mapping.page(await this.get(path, pageQuery, signal, buffer), item);
        instant ??= page.instant;
        items.push(...page.items);
        for (const id of page.deleted) deleted.add(id);
        if (page.items.length === 0 || items.length >= page.total) return items.filter(({ id }) => !deleted.has(id));
      }
    } finally {
      buffer.release();
    }
    throw malformed(`${path} has more than ${MAX_PAGES} pages`);
  }

  /** Sends a change and resolves with the response body. Throws SOURCE_REJECTED if the vendor rejects it, also with status 200. */
  async change(method: 'POST' | 'PUT', path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    const response = await this.#send(method, path, body, signal);
    if (response === null) throw rejected(`HTTP 404 to ${method} ${path}`);
    const rejection = mapping.rejectionReason(response);
    if (rejection !== null) throw rejected(`${rejection} to ${method} ${path}`);
    return response;
  }

  close(): Promise<void> {
    return this.#agent.close();
  }

  /** The response as JSON; null for 404. With `buffer`, the response counts towards the size limit shared by all pages of a list. */
  async #send(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    body: unknown,
    signal: AbortSignal,
    buffer?: ResponseBuffer,
  ): Promise<unknown> {
    const response = await request(`${this.#base}${path}`, {
      method,
      headers: {
        'x-mcc-access-token': this.#token,
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      dispatcher: this.#agent,
      signal,
    });
    const { statusCode } = response;
    const read = (bytes: Buffer): unknown => {
      if (statusCode === 404) return null;
      if (statusCode === 429 || statusCode >= 500) throw unavailable(`HTTP ${statusCode}`);
      if (statusCode >= 300) throw rejected(`HTTP ${statusCode} to ${method} ${path.split('?')[0]}`);
      try {
        return JSON.parse(bytes.toString('utf8'));
      } catch (error) {
        throw malformed('response is not valid JSON', error);
      }
    };
    return buffer ? read(await buffer.read(response)) : readResponse(response, read);
  }
}
