/** The only file that talks to the legacy system; speaks our model outward. */
import { Agent, request } from 'undici';
import type { Values } from '../kit/config/settings.ts';
import type { Call, Known, Services } from '../kit/connector.ts';
import { rejected, unavailable } from '../kit/errors.ts';
import { loader } from '../kit/loader.ts';
import { readAnswer } from '../kit/protocols/response-body.ts';
import * as mapping from './mapping.ts';
import type { Notice } from './model.ts';
import type { templateSettings } from './settings.ts';

export class TemplateSource {
  readonly #settings: Values<typeof templateSettings>;
  readonly #services: Services;
  readonly #agent = new Agent({ keepAliveTimeout: 5_000, connections: 4 });

  constructor(settings: Values<typeof templateSettings>, services: Services) {
    this.#settings = settings;
    this.#services = services;
  }

  /** One cheap question. */
  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check' }, (signal) => this.#get('/ping', signal));
  }

  /** What one request needs: companies asked for in one tick are one call. */
  request(call: Call) {
    const { guard } = this.#services;
    const byCompany = loader<Known<readonly Notice[] | null>>((companies) =>
      guard.readMany(call, { operation: 'notices' }, companies, async (wanted, signal) => {
        const found = mapping.notices(await this.#get(`/notices?firms=${wanted.join(',')}`, signal));
        return new Map(wanted.map((company) => [company, found.filter((one) => one.company === company)]));
      }),
    );
    return {
      /** Newest first; empty when the board has none. */
      notices: (company: string) => byCompany.load(company),
    };
  }

  close(): Promise<void> {
    return this.#agent.close();
  }

  async #get(path: string, signal: AbortSignal): Promise<unknown> {
    const answer = await request(`${this.#settings.url}${path}`, {
      headers: { authorization: `Bearer ${this.#settings.token}` },
      dispatcher: this.#agent,
      signal,
    });
    const { statusCode: status } = answer;
    return readAnswer(answer, (bytes) => {
      if (status >= 500) throw unavailable(`HTTP ${status}`);
      if (status >= 400) throw rejected(`HTTP ${status}`);
      return JSON.parse(bytes.toString('utf8'));
    });
  }
}

export type TemplateRequest = ReturnType<TemplateSource['request']>;
