/** One question over X-Road: headers set, answer compared, faults named. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Values } from '../../kit/config/settings.ts';
import { SoapTransport, writeEnvelope, type XmlElement } from '../../kit/protocols/soap.ts';
import * as mapping from '../mapping.ts';
import type { registrationSettings } from '../settings.ts';

export type RegistrationSettings = Values<typeof registrationSettings>;

/** What a question says beside its fields. */
export interface Heading {
  /** For whom it is asked; the register writes it into its own log. */
  readonly user?: string;
  /** The filing that it is about. */
  readonly issue?: string;
}

export class Bus {
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

  /** Asks `code` of the register under an id of its own; answers the body, rejects with SourceError. */
  async ask(
    code: string,
    fields: Readonly<Record<string, string>>,
    signal: AbortSignal,
    { user, issue }: Heading = {},
  ): Promise<XmlElement> {
    const { client, service, version } = this.#settings;
    const route = { client, service, code, version, id: randomUUID(), userId: user ?? null, issue };
    const headers = mapping.routeHeaders(route);
    const message = await this.#transport.send(writeEnvelope(headers, mapping.question(code, fields)), signal);
    if (!message.fault) mapping.checkRoute(headers, message.headers);
    return mapping.answerBody(message, code);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}
