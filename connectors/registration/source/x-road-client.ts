/** Sends requests over X-Road: sets the headers, checks those of the response, maps faults. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { SoapTransport, writeEnvelope, type XmlElement } from '../../kit/protocols/soap.ts';
import * as mapping from '../mapping/index.ts';
import type { RegistrationSettings } from '../settings.ts';

/** Optional headers of a request. */
export interface RequestOptions {
  /** User on whose behalf the request is made; the register logs it. */
  readonly user?: string;
  /** Filing that the request concerns. */
  readonly issue?: string;
}

export class XRoadClient {
  readonly #settings: RegistrationSettings;
  readonly #transport: SoapTransport;

  /** Throws when a certificate file cannot be read. */
  constructor(settings: RegistrationSettings) {
    this.#settings = settings;
    const file = (path: string | null) => (path === null ? undefined : readFileSync(path, 'utf8'));
    const [ca, cert, key] = [file(settings.ca), file(settings.cert), file(settings.key)];
    this.#transport = new SoapTransport(settings.url, {
      ...(ca ? { ca } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
    });
  }

  /** Calls the service `code` of the register with a new message id. Resolves with the response body, rejects with `SourceError`. */
  async request(
    code: string,
    fields: Readonly<Record<string, string>>,
    signal: AbortSignal,
    { user, issue }: RequestOptions = {},
  ): Promise<XmlElement> {
    const { client, service, version } = this.#settings;
    const route = { client, service, code, version, id: randomUUID(), userId: user ?? null, issue };
    const headers = mapping.routeHeaders(route);
    const message = await this.#transport.send(writeEnvelope(headers, mapping.requestBody(code, fields)), signal);
    if (!message.fault) mapping.assertSameRoute(headers, message.headers);
    return mapping.responseBody(message, code);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}
