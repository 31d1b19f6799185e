/**
 * Follows the vendor's log. Numbers are given before a line is committed, so a lower one may appear after a higher one was
 * read: numbers that are missing within the overlap are asked for again, and the event log keeps each natural key once.
 */
import type { Call, Claim, Job, NewEvent } from '../../kit/connector.ts';
import { momentsOf } from '../../kit/stored-age.ts';
import { localOf, mapLogLine, mapPerson, mapTenant, type Row, whole } from '../mapping.ts';
import type { DoorEvent } from '../model.ts';
import type { Installation } from './index.ts';
import * as ask from './statements.ts';

/** Lines of one batch, and of one transaction. */
const BATCH = 2_000;
/** The overlap never reaches further back than this many lines, however fast they come. */
const MOST_OVERLAP = 20_000;
const STATE = 'log';
/** Pause between two readings of the directory of persons and companies. */
const DIRECTORY_PAUSE = 600_000;

/** How far the log was read; kept with the events of each batch. */
interface Progress {
  /** The highest number read. */
  readonly last: number;
  /** When (milliseconds since the epoch) the log had been read up to which number, oldest first; the overlap reaches back to one of these. */
  readonly marks: readonly { readonly at: number; readonly number: number }[];
}

export class LogPoll {
  readonly #at: Installation;
  /** Numbers read within the overlap, by this process. Empty after a start: the overlap is then read once more. */
  readonly #known = new Set<number>();
  #newest: Date | null = null;

  constructor(at: Installation) {
    this.#at = at;
  }

  get jobs(): readonly Job[] {
    return [
      { name: 'log', every: this.#at.settings.poll, run: (call) => this.poll(call) },
      { name: 'directory', every: DIRECTORY_PAUSE, run: (call) => this.directory(call) },
    ];
  }

  /** Milliseconds between now and the newest line that was read; null before the first. */
  lag(): number | null {
    return this.#newest === null ? null : Math.max(this.#at.services.clock.now().getTime() - this.#newest.getTime(), 0);
  }

  async #rows(call: Call, operation: string, { sql, values }: ask.Statement): Promise<readonly Row[]> {
    const { services, database } = this.#at;
    return (await services.guard.read(call, { operation }, (signal) => database.select(sql, values, signal))).value;
  }

  /** Reads what is new, batch by batch, until nothing is. */
  async poll(call: Call): Promise<void> {
    const { services } = this.#at;
    let progress = (await services.read((tx) => services.state.get<Progress>(tx, STATE))) ?? (await this.#begin(call));
    progress = await this.#late(call, progress);
    while (!call.signal.aborted) {
      const rows = await this.#rows(call, 'poll log', ask.linesAfter(progress.last, BATCH));
      const last = rows.length > 0 ? whole(rows[rows.length - 1] as Row, 'id') : progress.last;
      if (rows.length > 0) progress = await this.#keep(rows, this.#marked(progress, last));
      if (rows.length < BATCH) break;
    }
    this.#forget(progress);
  }

  /** The first poll: from `history` ago, by the controllers' local time. */
  async #begin(call: Call): Promise<Progress> {
    const { services, settings } = this.#at;
    const since = new Date(services.clock.now().getTime() - settings.history);
    const [row] = await this.#rows(call, 'poll start', ask.firstSince(localOf(since, settings.zone)));
    const number = row?.['first'] != null ? whole(row, 'first') - 1 : row?.['last'] != null ? whole(row, 'last') : 0;
    return { last: number, marks: [{ at: services.clock.now().getTime(), number }] };
  }

  /** Lines within the overlap that were not there before. */
  async #late(call: Call, progress: Progress): Promise<Progress> {
    const floor = this.#floor(progress);
    let [from, to] = [0, 0];
    for (let number = floor + 1; number <= progress.last; number++) {
      if (this.#known.has(number)) continue;
      from ||= number;
      to = number;
    }
    if (from === 0) return progress;
    const there = (await this.#rows(call, 'poll overlap', ask.numbersBetween(from, to))).map((row) => whole(row, 'id'));
    const late = there.filter((number) => !this.#known.has(number));
    let kept = progress;
    for (let i = 0; i < late.length; i += 500) {
      const rows = await this.#rows(call, 'poll late', ask.lines(late.slice(i, i + 500)));
      kept = await this.#keep(rows, progress);
    }
    return kept;
  }

  /** One batch and its progress in one transaction; a line that is no line is reported and left out. */
  async #keep(rows: readonly Row[], progress: Progress): Promise<Progress> {
    const { services, context } = this.#at;
    const events: DoorEvent[] = [];
    for (const row of rows) {
      try {
        const event = mapLogLine(row, context);
        if (event) events.push(event);
      } catch (error) {
        services.log.warn('A line of the door log cannot be read and is left out.', { line: row['id'], error });
      }
    }
    await services.transaction(async (tx) => {
      await services.state.set(tx, STATE, progress);
      await services.emit(tx, events.map(toEvent));
    });
    for (const row of rows) this.#known.add(whole(row, 'id'));
    for (const { time } of events) if (this.#newest === null || time > this.#newest) this.#newest = time;
    return progress;
  }

  /** A mark now and then: about twenty within the overlap. */
  #marked(progress: Progress, last: number): Progress {
    const now = this.#at.services.clock.now().getTime();
    const { overlap } = this.#at.settings;
    const marks = [...progress.marks];
    if (this.#age(marks.at(-1)) >= overlap / 20) marks.push({ at: now, number: last });
    // The newest mark that is older than the overlap is the floor; those before it are not needed.
    while (marks.length > 1 && this.#age(marks[1]) >= overlap) marks.shift();
    return { last, marks };
  }

  #floor(progress: Progress): number {
    const { overlap } = this.#at.settings;
    const mark = progress.marks.findLast((one) => this.#age(one) >= overlap) ?? progress.marks[0];
    return Math.max(mark?.number ?? progress.last, progress.last - MOST_OVERLAP);
  }

  /** Milliseconds since the mark was made, whatever the wall clock was set to meanwhile: a jump must not shorten the overlap. */
  #age(mark: Progress['marks'][number] | undefined): number {
    return mark ? momentsOf(this.#at.services.clock).age(new Date(mark.at)) : Number.POSITIVE_INFINITY;
  }

  #forget(progress: Progress): void {
    const floor = this.#floor(progress);
    for (const number of this.#known) if (number <= floor) this.#known.delete(number);
  }

  /** Under which numbers the doors know companies and persons. */
  async directory(call: Call): Promise<void> {
    const { services, context } = this.#at;
    const companies = (await this.#rows(call, 'poll tenants', ask.tenants)).map(mapTenant);
    const claims: Claim[] = [];
    for (const tenant of companies) {
      if (tenant === null) continue;
      claims.push({ entity: 'COMPANY', key: tenant.uscc, system: 'uscc', value: tenant.uscc });
      if (tenant.tenantNumber !== null) {
        claims.push({ entity: 'COMPANY', key: tenant.uscc, system: 'tenant-no', value: tenant.tenantNumber });
      }
    }
    await services.transaction((tx) => services.identify(tx, claims));
    for (let after = 0; !call.signal.aborted; ) {
      const rows = await this.#rows(call, 'poll people', ask.people(after));
      const persons: Claim[] = rows
        .filter((row) => typeof row['pin'] === 'string' && row['pin'].trim() !== '')
        .map((row) => {
          const pin = String(row['pin']).trim();
          return { entity: 'PERSON', key: mapPerson(row, context).id, system: 'pin', value: pin };
        });
      await services.transaction((tx) => services.identify(tx, persons));
      const last = rows.at(-1);
      if (!last || rows.length < 1000) return;
      after = whole(last, 'id');
    }
  }
}

function toEvent(event: DoorEvent): NewEvent {
  const { foreignId, time, kind, door, badge, company } = event;
  const data =
    kind === 'ACCESS_DENIED' ? { reason: event.reason } : kind === 'DOOR_STATE_CHANGED' ? { state: event.state } : null;
  return { foreignId, time, kind, door, badge, company, ...(data ? { data } : {}) };
}
