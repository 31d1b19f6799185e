/**
 * Stores rejected payloads completely before they are acknowledged, limited by age and total size. MQTT 3.1.1 cannot reject a message,
 * and an unacknowledged one occupies one of the broker's few in-flight slots, so that rejected payloads would soon block good readings.
 * Therefore new payloads are always stored; beyond the size limit the oldest are deleted, which is counted, logged and reported.
 */
import { createHash } from 'node:crypto';
import type { Call } from '../../kit/call.ts';
import type { Tx } from '../../kit/connector.ts';
import { publishRejectedPayloads } from '../../kit/monitoring/rejected-payloads.ts';
import type { Services } from '../../kit/services.ts';
import type { EnergySettings } from '../settings.ts';
import type { LargeMessageHeader } from './mqtt-frames.ts';

type Totals = NonNullable<Awaited<ReturnType<Services['store']['energy']['rejectedPayloadTotals']>>>;
type Removed = Awaited<ReturnType<Services['store']['energy']['saveRejectedPayloads']>>;

interface RejectedPayload {
  readonly topic: string;
  readonly payload: Buffer;
  readonly gateway: string | null;
  readonly reason: string;
}

/** Bytes of a large payload per row. */
const PART_BYTES = 1024 * 1024;
/** Milliseconds. The size limit is reported as reached for this long after the last deletion. */
const LIMIT_REPORTED_FOR = 86_400_000;
/** Maximum number of rows deleted in one transaction. */
const MAX_ROWS = 5_000;

const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

export class RejectedPayloads {
  readonly #settings: EnergySettings;
  readonly #services: Services;
  #totals: Totals | null = null;
  /** Last known state of the size limit; each change is logged once. */
  #limitReached = false;

  constructor(settings: EnergySettings, services: Services) {
    this.#settings = settings;
    this.#services = services;
  }

  /** Why the source is DEGRADED: while the size limit causes deletions; null otherwise. */
  deliveryProblem(): string | null {
    this.#updateLimitState();
    const totals = this.#totals;
    if (!this.#limitReached || totals === null) return null;
    const until = totals.droppedUntil === null ? '' : `, received until ${totals.droppedUntil.toISOString()}`;
    return `rejected payloads reached refusedBytes (${this.#settings.refusedBytes} bytes): deleted the oldest ${totals.dropped} (${totals.droppedBytes} bytes${until})`;
  }

  /** Stores payloads in the caller's transaction. Returns a function to call after the commit. */
  async save(tx: Tx, payloads: readonly RejectedPayload[]): Promise<() => void> {
    if (payloads.length === 0) return () => undefined;
    const { store, installation, clock } = this.#services;
    const at = clock.now();
    const rows = payloads.map((rejected) => ({ ...rejected, digest: sha256(rejected.payload), at }));
    const removed = await store.energy.saveRejectedPayloads(tx, installation.id, rows, this.#settings.refusedBytes);
    const totals = await store.energy.rejectedPayloadTotals(tx, installation.id);
    const bytes = payloads.reduce((sum, { payload }) => sum + payload.length, 0);
    return () => this.#recordCommit({ count: payloads.length, bytes }, removed, totals);
  }

  /** Stores a payload that is too large to parse, in parts; it is complete with the last one. Commits before it resolves. */
  async saveLarge(header: LargeMessageHeader, gateway: string | null, chunks: AsyncIterable<Buffer>): Promise<void> {
    const { store, installation, clock, transaction, read, log } = this.#services;
    const at = clock.now();
    const id = await read((tx) => store.energy.beginLargePayload(tx));
    const hash = createHash('sha256');
    let number = 0;
    let buffered: Buffer[] = [];
    let bytes = 0;
    const flush = async () => {
      const part = Buffer.concat(buffered);
      [buffered, bytes] = [[], 0];
      hash.update(part);
      await transaction((tx) => store.energy.savePayloadPart(tx, installation.id, id, number++, part));
    };
    for await (const chunk of chunks) {
      buffered.push(chunk);
      bytes += chunk.length;
      if (bytes >= PART_BYTES) await flush();
    }
    if (bytes > 0) await flush();
    const reason = `payload of ${header.size} bytes exceeds largest (${this.#settings.largest} bytes)`;
    const rejected = { topic: header.topic, gateway, reason, digest: hash.digest(), at, size: header.size };
    const { removed, totals } = await transaction(async (tx) => ({
      removed: await store.energy.endLargePayload(tx, installation.id, id, rejected, this.#settings.refusedBytes),
      totals: await store.energy.rejectedPayloadTotals(tx, installation.id),
    }));
    this.#recordCommit({ count: 1, bytes: header.size }, removed, totals);
    log.warn('Rejected a payload that exceeds the size limit and stored it.', {
      topic: header.topic,
      bytes: header.size,
      reason,
    });
  }

  /** Loads the totals and deletes incomplete payloads of earlier processes, which the broker sends again. Call it before a session starts. */
  async restore(): Promise<void> {
    const { store, installation, read, transaction } = this.#services;
    this.#totals = await read((tx) => store.energy.rejectedPayloadTotals(tx, installation.id));
    this.#limitReached = this.#isLimitReached();
    while ((await transaction((tx) => store.energy.dropUnfinishedParts(tx, installation.id, 100))) === 100);
  }

  /** Deletes payloads older than `refusedFor`, and the oldest ones beyond `refusedBytes`, in small transactions. */
  async expire(call: Call): Promise<void> {
    const { store, installation, transaction, read, clock, log } = this.#services;
    const now = clock.now();
    const before = new Date(now.getTime() - this.#settings.refusedFor);
    const all = async (outcome: 'expired' | 'dropped', take: (tx: Tx) => Promise<Removed>): Promise<Removed> => {
      let [count, bytes] = [0, 0];
      while (!call.signal.aborted) {
        const some = await transaction(take);
        publishRejectedPayloads({ source: installation.id, outcome, ...some });
        count += some.count;
        bytes += some.bytes;
        if (some.count === 0) break;
      }
      return { count, bytes };
    };
    const expired = await all('expired', (tx) =>
      store.energy.dropRejectedBefore(tx, installation.id, before, MAX_ROWS),
    );
    if (expired.count > 0) log.info('Deleted rejected payloads older than refusedFor.', { ...expired, before });
    await all('dropped', (tx) =>
      store.energy.dropRejectedBeyond(tx, installation.id, this.#settings.refusedBytes, now),
    );
    this.#totals = await read((tx) => store.energy.rejectedPayloadTotals(tx, installation.id));
    this.#updateLimitState();
  }

  #recordCommit(stored: Removed, removed: Removed, totals: Totals | null): void {
    const source = this.#services.installation.id;
    publishRejectedPayloads({ source, outcome: 'kept', ...stored });
    publishRejectedPayloads({ source, outcome: 'dropped', ...removed });
    this.#totals = totals;
    this.#updateLimitState();
  }

  #isLimitReached(): boolean {
    const at = this.#totals?.droppedAt ?? null;
    return at !== null && this.#services.clock.now().getTime() - at.getTime() < LIMIT_REPORTED_FOR;
  }

  #updateLimitState(): void {
    const reached = this.#isLimitReached();
    if (reached === this.#limitReached) return;
    this.#limitReached = reached;
    const { log } = this.#services;
    const totals = { ...this.#totals, bound: this.#settings.refusedBytes };
    if (reached) log.warn('Rejected payloads reached refusedBytes. Deleting the oldest.', totals);
    else log.info('Rejected payloads are within refusedBytes again: none was deleted for a day.', totals);
  }
}
