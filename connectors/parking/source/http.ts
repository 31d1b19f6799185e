/** The vendor's REST API over HTTP: token, deadline, and what its status codes mean. */
import { Agent, request } from 'undici';
import { malformed, rejected, unavailable } from '../../kit/errors.ts';

export class ParkingApi {
  readonly #base: string;
  readonly #token: string;
  readonly #agent = new Agent({ keepAliveTimeout: 10_000, connections: 8, connect: { timeout: 2_000 } });

  constructor(base: string, token: string) {
    this.#base = base.replace(/\/$/, '');
    this.#token = token;
  }

  /** GET with the query's values; lists are joined by commas, as APDS has it. */
  get(
    path: string,
    query: Readonly<Record<string, string | number | readonly string[] | undefined>>,
    signal: AbortSignal,
  ) {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) search.set(name, typeof value === 'object' ? value.join(',') : String(value));
    }
    const tail = search.size > 0 ? `?${search}` : '';
    return this.#send('GET', `${path}${tail}`, undefined, signal);
  }

  post(path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    return this.#send('POST', path, body, signal);
  }

  close(): Promise<void> {
    return this.#agent.close();
  }

  async #send(method: 'GET' | 'POST', path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
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
    const text = await answer.body.text();
    const { statusCode } = answer;
    if (statusCode === 429 || statusCode >= 500) throw unavailable(`HTTP ${statusCode}`);
    if (statusCode >= 400) throw rejected(`HTTP ${statusCode} to ${method} ${path.split('?')[0]}`);
    try {
      return JSON.parse(text);
    } catch (error) {
      throw malformed('the answer is not JSON', error);
    }
  }
}
