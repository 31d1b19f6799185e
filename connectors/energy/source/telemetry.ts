/** Meters that speak by themselves, over MQTT. */
import type { Call, Services } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import * as mapping from '../mapping/index.ts';
import type { Alarm, MeterInfo, Reading } from '../model.ts';
import type { EnergySettings } from './index.ts';
import type { Inflow } from './inflow.ts';
import { type MqttMessage, type MqttOptions, MqttSession } from './mqtt.ts';

export class Telemetry {
  readonly #settings: EnergySettings;
  readonly #services: Services;
  readonly #inflow: Inflow;
  #session: MqttSession | null = null;

  constructor(settings: EnergySettings, services: Services, inflow: Inflow) {
    this.#settings = settings;
    this.#services = services;
    this.#inflow = inflow;
  }

  /** A short visit under another client id, so that the kept session is left alone. */
  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check', retry: false }, async () => {
      const { session } = await MqttSession.open(this.#options(false));
      session.leave();
    });
  }

  /** Listens until the call is aborted or the connection is lost; then it rejects and the host calls again. */
  async listen(call: Call): Promise<void> {
    const { session } = await this.#services.guard
      .read(this.#services.call(this.#settings.timeout * 2), { operation: 'poll connect', retry: false }, () =>
        MqttSession.open(this.#options(true)),
      )
      .then((known) => known.value);
    this.#session = session;
    const leave = () => session.leave();
    call.signal.addEventListener('abort', leave, { once: true });
    try {
      const { prefix } = this.#settings;
      await session.subscribe([`${prefix}/+/+/info`, `${prefix}/+/+/telemetry`, `${prefix}/+/+/alarm`], (batch) =>
        this.#batch(batch),
      );
      await this.#askResend(session);
      const reason = await session.ended;
      await session.settled();
      if (!call.signal.aborted) throw reason;
    } finally {
      call.signal.removeEventListener('abort', leave);
      session.close();
      this.#session = null;
    }
  }

  close(): void {
    this.#session?.leave();
  }

  /** Gateways keep what they have measured: at first they are asked for what was before us. */
  async #askResend(session: MqttSession): Promise<void> {
    const { state, clock } = this.#services;
    if (await this.#services.read((tx) => state.get(tx, 'resend'))) return;
    const since = new Date(clock.now().getTime() - this.#settings.history).toISOString();
    await session.publish(`${this.#settings.prefix}/all/resend`, JSON.stringify({ since }));
    await this.#services.transaction((tx) => state.set(tx, 'resend', { since }));
  }

  /** A batch in one transaction: what cannot be understood is kept with its reason and never stops the rest. */
  async #batch(batch: readonly MqttMessage[]): Promise<void> {
    const readings: Reading[] = [];
    const meters: MeterInfo[] = [];
    const alarms: Alarm[] = [];
    const refused: { message: MqttMessage; reason: string }[] = [];
    for (const message of batch) {
      const place = mapping.topic(message.topic, this.#settings.prefix);
      try {
        if (place?.kind === 'telemetry') readings.push(...mapping.readings(place.serial, message.payload));
        else if (place?.kind === 'info') meters.push(mapping.info(place.serial, message.payload));
        else if (place?.kind === 'alarm') alarms.push(mapping.alarm(place.serial, message.payload));
      } catch (error) {
        if (!(error instanceof SourceError)) throw error;
        refused.push({ message, reason: error.detail });
      }
    }
    const { store, installation, log, guard } = this.#services;
    await this.#inflow.take(readings, meters, alarms, async (tx) => {
      for (const { message, reason } of refused)
        await store.energy.refusePayload(tx, installation.id, message.topic, message.payload, reason);
    });
    if (refused.length > 0) {
      log.warn('Payloads were refused and kept.', {
        count: refused.length,
        topic: refused[0]?.message.topic,
        reason: refused[0]?.reason,
      });
    }
    guard.heard('telemetry');
  }

  #options(keep: boolean): MqttOptions {
    const { hostname, port } = new URL(this.#settings.url);
    const id = this.#settings.clientId ?? this.#services.installation.id;
    return {
      host: hostname,
      port: Number(port || 1883),
      clientId: keep ? id : `${id}-check`,
      username: this.#settings.username,
      password: this.#settings.password,
      timeout: this.#settings.timeout,
      keep,
    };
  }
}
