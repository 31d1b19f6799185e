/**
 * Payloads that could not be understood: kept whole before they are acknowledged, within a bound of time and of bytes. MQTT 3.1.1 has no
 * refusal, and a message that is not acknowledged takes one of the broker's few places for messages under way: held back, refused payloads
 * would soon keep good readings from coming. So the newest are always kept, and beyond the bound the oldest go, which is counted, logged and shown.
 */
import { createHash } from 'node:crypto';
import type { Call, Services, Tx } from '../../kit/connector.ts';
import { tellRefused } from '../../kit/monitoring/rejected-payloads.ts';
import type { EnergySettings } from './index.ts';
import type { LargeHead } from './mqtt-frames.ts';

type Totals = NonNullable<Awaited<ReturnType<Services['store']['energy']['refusedTotals']>>>;
type Taken = Awaited<ReturnType<Services['store']['energy']['refusePayloads']>>;

interface Refusal {
  readonly topic: string;
  readonly payload: Buffer;
  readonly gateway: string | null;
  readonly reason: string;
}

/** Bytes of a large payload that are one row. */
const PART = 1024 * 1024;
/** The bound is called reached for this long after it has last taken something, in milliseconds. */
const REACHED = 86_400_000;
/** Rows that one transaction takes away. */
const MOST = 5_000;

const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

export class RefusedPayloads {
  readonly #settings: EnergySettings;
  readonly #services: Services;
  #totals: Totals | null = null;
  /** Whether the bound was reached when it was last looked at: each change is one line in the log. */
  #reached = false;

  constructor(settings: EnergySettings, services: Services) {
    this.#settings = settings;
    this.#services = services;
  }

  /** What the source shows while the bound of bytes takes payloads away; null otherwise. */
  complaint(): string | null {
    this.#judge();
    const totals = this.#totals;
    if (!this.#reached || totals === null) return null;
    const until = totals.droppedUntil === null ? '' : `, received until ${totals.droppedUntil.toISOString()}`;
    return `refused payloads have reached refusedBytes (${this.#settings.refusedBytes} bytes): the oldest ${totals.dropped} (${totals.droppedBytes} bytes${until}) are gone`;
  }

  /** Keeps payloads in the caller's transaction; answers what is to be called once it is committed. */
  async keep(tx: Tx, refused: readonly Refusal[]): Promise<() => void> {
    if (refused.length === 0) return () => undefined;
    const { store, installation, clock } = this.#services;
    const at = clock.now();
    const rows = refused.map((one) => ({ ...one, digest: sha256(one.payload), at }));
    const taken = await store.energy.refusePayloads(tx, installation.id, rows, this.#settings.refusedBytes);
    const totals = await store.energy.refusedTotals(tx, installation.id);
    const bytes = refused.reduce((sum, one) => sum + one.payload.length, 0);
    return () => this.#committed({ count: refused.length, bytes }, taken, totals);
  }

  /** Keeps one that is too large to be read, part by part; it counts when all are there. Commits before it resolves. */
  async keepLarge(head: LargeHead, gateway: string | null, pieces: AsyncIterable<Buffer>): Promise<void> {
    const { store, installation, clock, transaction, read, log } = this.#services;
    const at = clock.now();
    const id = await read((tx) => store.energy.beginLargePayload(tx));
    const hash = createHash('sha256');
    let number = 0;
    let waiting: Buffer[] = [];
    let bytes = 0;
    const flush = async () => {
      const part = Buffer.concat(waiting);
      [waiting, bytes] = [[], 0];
      hash.update(part);
      await transaction((tx) => store.energy.keepPart(tx, installation.id, id, number++, part));
    };
    for await (const piece of pieces) {
      waiting.push(piece);
      bytes += piece.length;
      if (bytes >= PART) await flush();
    }
    if (bytes > 0) await flush();
    const reason = `the payload has ${head.size} bytes, which is more than is read (largest: ${this.#settings.largest})`;
    const one = { topic: head.topic, gateway, reason, digest: hash.digest(), at, size: head.size };
    const { taken, totals } = await transaction(async (tx) => ({
      taken: await store.energy.endLargePayload(tx, installation.id, id, one, this.#settings.refusedBytes),
      totals: await store.energy.refusedTotals(tx, installation.id),
    }));
    this.#committed({ count: 1, bytes: head.size }, taken, totals);
    log.warn('A payload was refused unread and kept.', { topic: head.topic, bytes: head.size, reason });
  }

  /** What former processes have kept; what they have not ended is taken away, it comes again. Before a session begins. */
  async recall(): Promise<void> {
    const { store, installation, read, transaction } = this.#services;
    this.#totals = await read((tx) => store.energy.refusedTotals(tx, installation.id));
    this.#reached = this.#isReached();
    while ((await transaction((tx) => store.energy.dropUnfinishedParts(tx, installation.id, 100))) === 100);
  }

  /** Takes away what is past `refusedFor`, and what a smaller `refusedBytes` has left over; in small transactions. */
  async expire(call: Call): Promise<void> {
    const { store, installation, transaction, read, clock, log } = this.#services;
    const now = clock.now();
    const before = new Date(now.getTime() - this.#settings.refusedFor);
    const all = async (outcome: 'expired' | 'dropped', take: (tx: Tx) => Promise<Taken>): Promise<Taken> => {
      let [count, bytes] = [0, 0];
      while (!call.signal.aborted) {
        const some = await transaction(take);
        tellRefused({ source: installation.id, outcome, ...some });
        count += some.count;
        bytes += some.bytes;
        if (some.count === 0) break;
      }
      return { count, bytes };
    };
    const expired = await all('expired', (tx) => store.energy.expireRefused(tx, installation.id, before, MOST));
    if (expired.count > 0) log.info('Refused payloads are past refusedFor and dropped.', { ...expired, before });
    await all('dropped', (tx) => store.energy.dropRefusedBeyond(tx, installation.id, this.#settings.refusedBytes, now));
    this.#totals = await read((tx) => store.energy.refusedTotals(tx, installation.id));
    this.#judge();
  }

  #committed(kept: Taken, taken: Taken, totals: Totals | null): void {
    const source = this.#services.installation.id;
    tellRefused({ source, outcome: 'kept', ...kept });
    tellRefused({ source, outcome: 'dropped', ...taken });
    this.#totals = totals;
    this.#judge();
  }

  #isReached(): boolean {
    const at = this.#totals?.droppedAt ?? null;
    return at !== null && this.#services.clock.now().getTime() - at.getTime() < REACHED;
  }

  #judge(): void {
    const reached = this.#isReached();
    if (reached === this.#reached) return;
    this.#reached = reached;
    const { log } = this.#services;
    const totals = { ...this.#totals, bound: this.#settings.refusedBytes };
    if (reached) log.warn('Refused payloads have reached refusedBytes: from now on the oldest are dropped.', totals);
    else log.info('Refused payloads are within refusedBytes again: none was dropped for a day.', totals);
  }
}
