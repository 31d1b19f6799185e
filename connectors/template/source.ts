/** Calls the vendor's system and returns model objects. */
import { Agent, request } from 'undici';
import type { Call } from '../kit/call.ts';
import type { Values } from '../kit/config/settings.ts';
import type { Sourced } from '../kit/connector.ts';
import { rejected, unavailable } from '../kit/errors.ts';
import { loader } from '../kit/loader.ts';
import { readResponse } from '../kit/protocols/response-body.ts';
import type { Services } from '../kit/services.ts';
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

  /** Sends a cheap request. */
  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check' }, (signal) => this.#get('/ping', signal));
  }

  /** Data loaders of one request. Companies that are requested in the same tick share one call. */
  request(call: Call) {
    const { guard } = this.#services;
    const byCompany = loader<Sourced<readonly Notice[] | null>>((companies) =>
      guard.readMany(call, { operation: 'notices' }, companies, async (missing, signal) => {
        const notices = mapping.notices(await this.#get(`/notices?firms=${missing.join(',')}`, signal));
        return new Map(missing.map((company) => [company, notices.filter((notice) => notice.company === company)]));
      }),
    );
    return {
      /** Notices to the company, newest first; empty when there are none. */
      notices: (company: string) => byCompany.load(company),
    };
  }

  close(): Promise<void> {
    return this.#agent.close();
  }

  async #get(path: string, signal: AbortSignal): Promise<unknown> {
    const response = await request(`${this.#settings.url}${path}`, {
      headers: { authorization: `Bearer ${this.#settings.token}` },
      dispatcher: this.#agent,
      signal,
    });
    const { statusCode: status } = response;
    return readResponse(response, (bytes) => {
      if (status >= 500) throw unavailable(`HTTP ${status}`);
      if (status >= 400) throw rejected(`HTTP ${status}`);
      return JSON.parse(bytes.toString('utf8'));
    });
  }
}

export type TemplateRequest = ReturnType<TemplateSource['request']>;
