/** One question over X-Road: headers set, answer compared, faults named. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Values } from '../../kit/settings.ts';
import { SoapTransport, writeEnvelope, type XmlElement } from '../../kit/soap.ts';
import * as mapping from '../mapping.ts';
import type { registrationSettings } from '../settings.ts';

export type RegistrationSettings = Values<typeof registrationSettings>;

export class Bus {
  readonly #settings: RegistrationSettings;
  readonly #transport: SoapTransport;

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

  /** Asks `code` of the register; answers the body. `user` travels in the header for the register's own log. */
  async ask(
    code: string,
    fields: Readonly<Record<string, string>>,
    signal: AbortSignal,
    user: string | null = null,
  ): Promise<XmlElement> {
    const { client, service, version } = this.#settings;
    const headers = mapping.routeHeaders({ client, service, code, version, id: randomUUID(), userId: user });
    const message = await this.#transport.send(writeEnvelope(headers, mapping.question(code, fields)), signal);
    if (!message.fault) mapping.checkRoute(headers, message.headers);
    return mapping.answerBody(message, code);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}
