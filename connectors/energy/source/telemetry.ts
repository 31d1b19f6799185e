/** Meters that speak by themselves, over MQTT. */

import type { Call, Job, Services } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import { isUnstorable } from '../../kit/events/event-check.ts';
import { EventRefused } from '../../kit/events/event-quarantine.ts';
import { inHalves } from '../../kit/tasks/group-commit.ts';
import * as mapping from '../mapping/index.ts';
import type { Alarm, MeterInfo, Reading } from '../model.ts';
import type { Fit } from './drift-detector.ts';
import type { EnergySettings } from './index.ts';
import { HEARD, type Heard, type Inflow } from './inflow.ts';
import { type MqttMessage, type MqttOptions, MqttSession } from './mqtt.ts';
import { RefusedPayloads } from './refused.ts';

/** What is asked for again lies this long before what was heard last, in milliseconds. */
const OVERLAP = 3_600_000;
/** A device's clock may be ahead of ours by this much, in milliseconds. */
const AHEAD = 3_600_000;

/** What one message says. */
interface Understood {
  readonly readings: readonly Reading[];
  readonly meters: readonly MeterInfo[];
  readonly alarms: readonly Alarm[];
  readonly refused: readonly string[];
}
type Known = Awaited<ReturnType<Services['store']['energy']['metersByIds']>>;
const NOTHING: Understood = { readings: [], meters: [], alarms: [], refused: [] };

/** Why one message of a batch could not be kept. */
const faultOf = (error: unknown): string =>
  error instanceof EventRefused && !isUnstorable(error.fault)
    ? error.message
    : 'the database cannot hold a value of it';

export class Telemetry {
  readonly #settings: EnergySettings;
  readonly #services: Services;
  readonly #inflow: Inflow;
  readonly #fit: Fit;
  readonly #refused: RefusedPayloads;
  #session: MqttSession | null = null;

  constructor(settings: EnergySettings, services: Services, inflow: Inflow, fit: Fit) {
    this.#settings = settings;
    this.#services = services;
    this.#inflow = inflow;
    this.#fit = fit;
    this.#refused = new RefusedPayloads(settings, services);
  }

  get jobs(): readonly Job[] {
    return [
      { name: 'poll telemetry', every: 1_000, run: (call, working) => this.#listen(call, working) },
      { name: 'expire refused payloads', every: 3_600_000, run: (call) => this.#refused.expire(call) },
    ];
  }

  /** What of the refused payloads is not kept any more, or null. */
  complaint(): string | null {
    return this.#refused.complaint();
  }

  /** A short visit under another client id, so that the kept session is left alone. */
  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check', retry: false }, async () => {
      const { session } = await MqttSession.open(this.#options(false));
      session.leave();
    });
  }

  /** Listens until the call is aborted or the connection is lost; then it rejects and the host calls again. Says when it hears. */
  async #listen(call: Call, working: () => void): Promise<void> {
    await this.#refused.recall();
    const { session, present } = await this.#services.guard
      .read(this.#services.call(this.#settings.timeout * 2), { operation: 'poll connect', retry: false }, () =>
        MqttSession.open(this.#options(true)),
      )
      .then((known) => known.value);
    this.#session = session;
    const leave = () => session.leave();
    call.signal.addEventListener('abort', leave, { once: true });
    try {
      const { prefix } = this.#settings;
      await session.subscribe([`${prefix}/+/+/info`, `${prefix}/+/+/telemetry`, `${prefix}/+/+/alarm`], {
        batch: (batch) => this.#batch(batch),
        large: (head, pieces) => this.#refused.keepLarge(head, gatewayOf(head.topic, prefix), pieces),
      });
      await this.#askResend(session, present);
      working();
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

  /** Gateways keep what they have measured: they are asked for what was before us, and again when the broker has lost our session. */
  async #askResend(session: MqttSession, present: boolean): Promise<void> {
    const { state, clock, read, transaction } = this.#services;
    const [asked, heard] = await read(async (tx) => [await state.get(tx, 'resend'), await state.get<Heard>(tx, HEARD)]);
    if (asked && present) return;
    const before = clock.now().getTime() - this.#settings.history;
    const since = new Date(asked && heard ? Date.parse(heard.at) - OVERLAP : before).toISOString();
    await session.publish(`${this.#settings.prefix}/all/resend`, JSON.stringify({ since }));
    await transaction((tx) => state.set(tx, 'resend', { since }));
  }

  /**
   * A batch in one transaction. What cannot be understood is kept with its reason and never stops the rest; when the database takes
   * offence at a value, halves find the message that bears it.
   */
  async #batch(batch: readonly MqttMessage[]): Promise<void> {
    const before = await this.#known(batch);
    await inHalves(
      batch,
      (part) =>
        this.#keep(
          part,
          part.map((one) => this.#understand(one, before)),
        ),
      (one, error) => this.#keep([one], [{ ...NOTHING, refused: [faultOf(error)] }]),
    );
  }

  /** What is known of the meters that tell of themselves, which they seldom do. */
  async #known(batch: readonly MqttMessage[]): Promise<Known> {
    const { read, store, globalId } = this.#services;
    const places = batch.map(({ topic }) => mapping.topic(topic, this.#settings.prefix));
    const ids = places.flatMap((one) => (one?.kind === 'info' ? [globalId(one.serial)] : []));
    return ids.length === 0 ? new Map() : read((tx) => store.energy.metersByIds(tx, ids));
  }

  #understand(message: MqttMessage, before: Known): Understood {
    const place = mapping.topic(message.topic, this.#settings.prefix);
    const told = this.#read(place, message, before);
    if (place && told !== NOTHING) {
      const what = `${place.kind} payload`;
      const nonsense = told.refused.length > 0 && told.readings.length === 0;
      // Of a list of values, whichever it was.
      if (nonsense) this.#fit.fails(what, place.serial, told.refused[0]?.replace(/^values\[\d+\]\.?/, ''));
      else this.#fit.fits(what, place.serial);
    }
    return told;
  }

  #read(place: ReturnType<typeof mapping.topic>, message: MqttMessage, before: Known): Understood {
    try {
      if (place?.kind === 'info') {
        const known = before.get(this.#services.globalId(place.serial));
        return { ...NOTHING, meters: [mapping.info(place.serial, message.payload, known)] };
      }
      if (place?.kind === 'alarm') return { ...NOTHING, alarms: [mapping.alarm(place.serial, message.payload)] };
      // A kept session may bring what an earlier setting of `prefix` has subscribed.
      if (place?.kind !== 'telemetry') return { ...NOTHING, refused: ['the topic is not one of ours'] };
      const told = mapping.readings(place.serial, message.payload);
      const latest = this.#services.clock.now().getTime() + AHEAD;
      const good = told.readings
        .filter((one) => one.time.getTime() <= latest)
        .map((one) => ({ ...one, origin: place.gateway }));
      const ahead = good.length < told.readings.length ? ["the device's clock is ahead of ours"] : [];
      return { ...NOTHING, readings: good, refused: [...told.refused, ...ahead] };
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      return { ...NOTHING, refused: [error.detail] };
    }
  }

  async #keep(batch: readonly MqttMessage[], understood: readonly Understood[]): Promise<void> {
    const { log, guard } = this.#services;
    const refused = understood.flatMap((one, i) => {
      const message = batch[i];
      return message && one.refused.length > 0 ? [{ message, reason: reasonsOf(one.refused) }] : [];
    });
    const { prefix } = this.#settings;
    const commit = await this.#inflow.take(
      understood.flatMap((one) => one.readings),
      understood.flatMap((one) => one.meters),
      understood.flatMap((one) => one.alarms),
      (tx) =>
        this.#refused.keep(
          tx,
          refused.map(({ message, reason }) => ({ ...message, gateway: gatewayOf(message.topic, prefix), reason })),
        ),
      true,
    );
    commit?.();
    if (refused.length > 0) {
      const { message, reason } = refused[0] as (typeof refused)[number];
      log.warn('Payloads were refused and kept.', { count: refused.length, topic: message.topic, reason });
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
      largest: this.#settings.largest,
    };
  }
}

const gatewayOf = (topic: string, prefix: string): string | null => mapping.topic(topic, prefix)?.gateway ?? null;

/** Ten reasons of a list of values; the payload itself is kept whole. */
function reasonsOf(all: readonly string[]): string {
  const more = all.length > 10 ? `; and ${all.length - 10} more` : '';
  return `${all.slice(0, 10).join('; ')}${more}`;
}
