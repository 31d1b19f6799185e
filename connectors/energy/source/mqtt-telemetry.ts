/** Receives readings, alarms and descriptions that meters publish over MQTT. */
import type { Call } from '../../kit/call.ts';
import type { Job } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import { isUnstorable } from '../../kit/events/event-check.ts';
import { InvalidEventError } from '../../kit/events/event-quarantine.ts';
import type { Services } from '../../kit/services.ts';
import { bisectBatch } from '../../kit/tasks/group-commit.ts';
import * as mapping from '../mapping/index.ts';
import type { Alarm, MeterInfo, Reading } from '../model.ts';
import type { EnergySettings } from '../settings.ts';
import type { DriftDetector } from './drift-detector.ts';
import type { MqttMessage } from './message-queue.ts';
import { type MqttOptions, MqttSession } from './mqtt-session.ts';
import { LAST_RECEIVED, type LastReceived, type ReadingIngest } from './reading-ingest.ts';
import { RejectedPayloads } from './rejected-payloads.ts';

/** Milliseconds. A resend starts this long before the time when data was last received. */
const OVERLAP = 3_600_000;
/** Milliseconds that a device's clock may be ahead of ours. */
const MAX_CLOCK_AHEAD = 3_600_000;

/** Content of one message. `rejected`: reasons why the message, or some of its values, are rejected. */
interface ParsedMessage {
  readonly readings: readonly Reading[];
  readonly meters: readonly MeterInfo[];
  readonly alarms: readonly Alarm[];
  readonly rejected: readonly string[];
}
type StoredMeters = Awaited<ReturnType<Services['store']['energy']['metersByIds']>>;
const EMPTY: ParsedMessage = { readings: [], meters: [], alarms: [], rejected: [] };

/** Why a message of a batch cannot be stored. */
const rejectionReason = (error: unknown): string =>
  error instanceof InvalidEventError && !isUnstorable(error.eventProblem)
    ? error.message
    : 'a value cannot be stored in the database';

export class MqttTelemetry {
  readonly #settings: EnergySettings;
  readonly #services: Services;
  readonly #ingest: ReadingIngest;
  readonly #driftDetector: DriftDetector;
  readonly #rejectedPayloads: RejectedPayloads;
  #session: MqttSession | null = null;

  constructor(settings: EnergySettings, services: Services, inflow: ReadingIngest, fit: DriftDetector) {
    this.#settings = settings;
    this.#services = services;
    this.#ingest = inflow;
    this.#driftDetector = fit;
    this.#rejectedPayloads = new RejectedPayloads(settings, services);
  }

  get jobs(): readonly Job[] {
    return [
      { name: 'poll telemetry', every: 1_000, run: (call, working) => this.#listen(call, working) },
      { name: 'expire refused payloads', every: 3_600_000, run: (call) => this.#rejectedPayloads.expire(call) },
    ];
  }

  /** Why the source is DEGRADED although it responds, or null. */
  deliveryProblem(): string | null {
    return this.#rejectedPayloads.deliveryProblem();
  }

  /** Connects briefly under another client id, so that the persistent session is not affected. */
  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check', retry: false }, async () => {
      const { session } = await MqttSession.open(this.#options({ keepSession: false }));
      session.disconnect();
    });
  }

  /** Receives until the call is aborted, or rejects when the connection is lost. Calls `working` once it is subscribed. */
  async #listen(call: Call, working: () => void): Promise<void> {
    await this.#rejectedPayloads.restore();
    const { session, present } = await this.#services.guard
      .read(this.#services.call(this.#settings.timeout * 2), { operation: 'poll connect', retry: false }, () =>
        MqttSession.open(this.#options({ keepSession: true })),
      )
      .then((known) => known.value);
    this.#session = session;
    const disconnect = () => session.disconnect();
    call.signal.addEventListener('abort', disconnect, { once: true });
    try {
      const { prefix } = this.#settings;
      await session.subscribe([`${prefix}/+/+/info`, `${prefix}/+/+/telemetry`, `${prefix}/+/+/alarm`], {
        onBatch: (batch) => this.#ingestBatch(batch),
        onLarge: (header, chunks) => this.#rejectedPayloads.saveLarge(header, gatewayOf(header.topic, prefix), chunks),
      });
      await this.#requestResend(session, present);
      working();
      const reason = await session.ended;
      await session.drained();
      if (!call.signal.aborted) throw reason;
    } finally {
      call.signal.removeEventListener('abort', disconnect);
      session.close();
      this.#session = null;
    }
  }

  close(): void {
    this.#session?.disconnect();
  }

  /** Asks gateways to resend stored readings: at the first connection, and when the broker has lost the session. */
  async #requestResend(session: MqttSession, present: boolean): Promise<void> {
    const { state, clock, read, transaction } = this.#services;
    const [requested, lastReceived] = await read(async (tx) => [
      await state.get(tx, 'resend'),
      await state.get<LastReceived>(tx, LAST_RECEIVED),
    ]);
    if (requested && present) return;
    const before = clock.now().getTime() - this.#settings.history;
    const since = new Date(requested && lastReceived ? Date.parse(lastReceived.at) - OVERLAP : before).toISOString();
    await session.publish(`${this.#settings.prefix}/all/resend`, JSON.stringify({ since }));
    await transaction((tx) => state.set(tx, 'resend', { since }));
  }

  /**
   * Stores a batch in one transaction. Messages that cannot be parsed are stored as rejected payloads. If the database rejects a
   * value, bisects the batch to find the message.
   */
  async #ingestBatch(batch: readonly MqttMessage[]): Promise<void> {
    const before = await this.#loadMeters(batch);
    await bisectBatch(
      batch,
      (part) =>
        this.#save(
          part,
          part.map((one) => this.#parse(one, before)),
        ),
      (one, error) => this.#save([one], [{ ...EMPTY, rejected: [rejectionReason(error)] }]),
    );
  }

  /** Stored meters of the `info` messages in the batch. */
  async #loadMeters(batch: readonly MqttMessage[]): Promise<StoredMeters> {
    const { read, store, globalId } = this.#services;
    const topics = batch.map(({ topic }) => mapping.parseTopic(topic, this.#settings.prefix));
    const ids = topics.flatMap((topic) => (topic?.kind === 'info' ? [globalId(topic.serial)] : []));
    return ids.length === 0 ? new Map() : read((tx) => store.energy.metersByIds(tx, ids));
  }

  #parse(message: MqttMessage, before: StoredMeters): ParsedMessage {
    const topic = mapping.parseTopic(message.topic, this.#settings.prefix);
    const parsed = this.#parsePayload(topic, message, before);
    if (topic && parsed !== EMPTY) {
      const what = `${topic.kind} payload`;
      const [reason] = parsed.rejected;
      // Without the index in `values`, so that the reason is the same for each index.
      if (reason !== undefined && parsed.readings.length === 0)
        this.#driftDetector.recordMismatch(what, topic.serial, reason.replace(/^values\[\d+\]\.?/, ''));
      else this.#driftDetector.recordMatch(what, topic.serial);
    }
    return parsed;
  }

  #parsePayload(
    topic: ReturnType<typeof mapping.parseTopic>,
    { payload }: MqttMessage,
    before: StoredMeters,
  ): ParsedMessage {
    try {
      if (topic?.kind === 'info') {
        const stored = before.get(this.#services.globalId(topic.serial));
        return { ...EMPTY, meters: [mapping.parseMeterInfo(topic.serial, payload, stored)] };
      }
      if (topic?.kind === 'alarm') return { ...EMPTY, alarms: [mapping.parseAlarm(topic.serial, payload)] };
      // A persistent session may still be subscribed to topics of an earlier `prefix`.
      if (topic?.kind !== 'telemetry') return { ...EMPTY, rejected: ['unexpected topic'] };
      const parsed = mapping.parseReadings(topic.serial, payload);
      const latest = this.#services.clock.now().getTime() + MAX_CLOCK_AHEAD;
      const readings = parsed.readings
        .filter(({ time }) => time.getTime() <= latest)
        .map((reading) => ({ ...reading, origin: topic.gateway }));
      const ahead = readings.length < parsed.readings.length ? ["the device's clock is ahead"] : [];
      return { ...EMPTY, readings, rejected: [...parsed.refused, ...ahead] };
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      return { ...EMPTY, rejected: [error.detail] };
    }
  }

  async #save(batch: readonly MqttMessage[], parsed: readonly ParsedMessage[]): Promise<void> {
    const { log, guard } = this.#services;
    const { prefix } = this.#settings;
    const rejected = parsed.flatMap((content, i) => {
      const message = batch[i];
      if (!message || content.rejected.length === 0) return [];
      return [{ ...message, gateway: gatewayOf(message.topic, prefix), reason: joinReasons(content.rejected) }];
    });
    const onCommit = await this.#ingest.ingest(
      {
        readings: parsed.flatMap(({ readings }) => readings),
        meters: parsed.flatMap(({ meters }) => meters),
        alarms: parsed.flatMap(({ alarms }) => alarms),
      },
      { inTransaction: (tx) => this.#rejectedPayloads.save(tx, rejected), strict: true },
    );
    onCommit?.();
    const [first] = rejected;
    if (first) {
      const { topic, reason } = first;
      log.warn('Rejected payloads and stored them.', { count: rejected.length, topic, reason });
    }
    guard.recordPush('telemetry');
  }

  #options({ keepSession }: { keepSession: boolean }): MqttOptions {
    const { hostname, port } = new URL(this.#settings.url);
    const id = this.#settings.clientId ?? this.#services.installation.id;
    return {
      host: hostname,
      port: Number(port || 1883),
      clientId: keepSession ? id : `${id}-check`,
      username: this.#settings.username,
      password: this.#settings.password,
      timeout: this.#settings.timeout,
      keepSession,
      maxPacketBytes: this.#settings.largest,
    };
  }
}

const gatewayOf = (topic: string, prefix: string): string | null => mapping.parseTopic(topic, prefix)?.gateway ?? null;

/** The first ten reasons as one text. */
function joinReasons(all: readonly string[]): string {
  const more = all.length > 10 ? `; and ${all.length - 10} more` : '';
  return `${all.slice(0, 10).join('; ')}${more}`;
}
