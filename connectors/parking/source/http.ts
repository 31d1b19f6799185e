/** The vendor's REST API over HTTP: token, deadline, pages, and what its status codes mean. */
import { Agent, request } from 'undici';
import { malformed, rejected, unavailable } from '../../kit/errors.ts';
import { AnswerHold, readAnswer } from '../../kit/protocols/response-body.ts';
import * as mapping from '../mapping/index.ts';

export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** Rows asked for in one page of a list that is read to its end. */
const PAGE = 1_000;
/** A list that goes on further than this is no list of one park's rights. */
const MOST_PAGES = 200;

export class ParkingApi {
  readonly #base: string;
  readonly #token: string;
  readonly #agent = new Agent({ keepAliveTimeout: 10_000, connections: 8, connect: { timeout: 2_000 } });

  constructor(base: string, token: string) {
    this.#base = base.replace(/\/$/, '');
    this.#token = token;
  }

  /** GET with the query's values; lists are joined by commas, as APDS has it. */
  async get(path: string, query: Query, signal: AbortSignal, hold?: AnswerHold): Promise<unknown> {
    const found = await this.find(path, query, signal, hold);
    if (found === null) throw rejected(`HTTP 404 to GET ${path}`);
    return found;
  }

  /** GET of what may not be there: null then. */
  find(path: string, query: Query, signal: AbortSignal, hold?: AnswerHold): Promise<unknown> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) search.set(name, typeof value === 'object' ? value.join(',') : String(value));
    }
    return this.#send('GET', `${path}${search.size > 0 ? `?${search}` : ''}`, undefined, signal, hold);
  }

  /**
   * A list read to its end, page by page. All pages are asked for the view of the first page's instant, so that what
   * changes meanwhile moves no row from one page to another; what was deleted meanwhile is left out. The pages count as one
   * answer until the last has come: see `AnswerHold`.
   */
  async all<T extends { readonly id: string }>(
    path: string,
    query: Query,
    item: (raw: unknown, where: string) => T,
    signal: AbortSignal,
  ): Promise<T[]> {
    const items: T[] = [];
    const gone = new Set<string>();
    const hold = new AnswerHold();
    let instant: number | undefined;
    try {
      for (let n = 0; n < MOST_PAGES; n++) {
        const asked = { ...query, offset: items.length, page_size: PAGE, reference_instant: instant };
        const page = mapping.page(await this.get(path, asked, signal, hold), item);
        instant ??= page.instant;
        items.push(...page.items);
        for (const id of page.deleted) gone.add(id);
        if (page.items.length === 0 || items.length >= page.total) return items.filter((one) => !gone.has(one.id));
      }
    } finally {
      hold.release();
    }
    throw malformed(`${path} has no end after ${MOST_PAGES} pages`);
  }

  /** A change; answers the body. */
  async change(method: 'POST' | 'PUT', path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    const answer = await this.#send(method, path, body, signal);
    if (answer === null) throw rejected(`HTTP 404 to ${method} ${path}`);
    const no = mapping.refusal(answer);
    if (no !== null) throw rejected(`${no} to ${method} ${path}`);
    return answer;
  }

  close(): Promise<void> {
    return this.#agent.close();
  }

  /** The answer's JSON; null for 404. `hold`: it is held together with others. */
  async #send(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    body: unknown,
    signal: AbortSignal,
    hold?: AnswerHold,
  ): Promise<unknown> {
    const answer = await request(`${this.#base}${path}`, {
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
    const { statusCode } = answer;
    const read = (bytes: Buffer): unknown => {
      if (statusCode === 404) return null;
      if (statusCode === 429 || statusCode >= 500) throw unavailable(`HTTP ${statusCode}`);
      if (statusCode >= 300) throw rejected(`HTTP ${statusCode} to ${method} ${path.split('?')[0]}`);
      try {
        return JSON.parse(bytes.toString('utf8'));
      } catch (error) {
        throw malformed('the answer is not JSON', error);
      }
    };
    return hold ? read(await hold.read(answer)) : readAnswer(answer, read);
  }
}
