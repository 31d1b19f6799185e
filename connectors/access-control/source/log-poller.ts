/**
 * Polls the vendor's log. Line numbers are assigned before commit, so a lower number can appear after a higher one was read. Numbers
 * that are missing within the overlap are therefore queried again; the event log stores each natural key once.
 */
import type { Call } from '../../kit/call.ts';
import type { Job } from '../../kit/connector.ts';
import { storedAgesOf } from '../../kit/monitoring/stored-age.ts';
import type { NewEvent } from '../../kit/services.ts';
import { instantToLocal, integer, mapLogLine, type Row } from '../mapping.ts';
import type { DoorEvent } from '../model.ts';
import { type AccessInstallation, query } from './installation.ts';
import * as statements from './statements.ts';

/** Lines per batch and transaction. */
const BATCH_SIZE = 2_000;
/** Upper limit of the overlap, in lines. */
const MAX_OVERLAP_LINES = 20_000;
/** Name of the stored state. */
const STATE = 'log';

/** Read position in the log; stored with the events of each batch. */
interface Progress {
  /** The highest number read. */
  readonly last: number;
  /** Times (milliseconds since the epoch) at which the log had been read up to `number`, oldest first. The overlap starts at one of them. */
  readonly marks: readonly { readonly at: number; readonly number: number }[];
}

export class LogPoller {
  readonly #installation: AccessInstallation;
  /** Line numbers within the overlap that this process has read. Empty after a start: the overlap is then read again. */
  readonly #readNumbers = new Set<number>();
  #newest: Date | null = null;

  constructor(installation: AccessInstallation) {
    this.#installation = installation;
  }

  get job(): Job {
    return { name: 'log', every: this.#installation.settings.poll, run: (call) => this.poll(call) };
  }

  /** Age of the newest line that was read, in milliseconds; null before the first. */
  lag(): number | null {
    return this.#newest === null
      ? null
      : Math.max(this.#installation.services.clock.now().getTime() - this.#newest.getTime(), 0);
  }

  #query(call: Call, operation: string, statement: statements.Statement): Promise<readonly Row[]> {
    return query(this.#installation, call, operation, statement);
  }

  /** Reads late lines, then all new lines in batches. */
  async poll(call: Call): Promise<void> {
    const { services } = this.#installation;
    let progress = (await services.read((tx) => services.state.get<Progress>(tx, STATE))) ?? (await this.#start(call));
    progress = await this.#readLateLines(call, progress);
    while (!call.signal.aborted) {
      const rows = await this.#query(call, 'poll log', statements.linesAfter(progress.last, BATCH_SIZE));
      const last = rows.length > 0 ? integer(rows[rows.length - 1] as Row, 'id') : progress.last;
      if (rows.length > 0) progress = await this.#commit(rows, this.#withMark(progress, last));
      if (rows.length < BATCH_SIZE) break;
    }
    this.#pruneReadNumbers(progress);
  }

  /** Start position of the first poll: `history` ago in the controllers' local time. */
  async #start(call: Call): Promise<Progress> {
    const { services, settings } = this.#installation;
    const since = new Date(services.clock.now().getTime() - settings.history);
    const [row] = await this.#query(
      call,
      'poll start',
      statements.firstLineSince(instantToLocal(since, settings.zone)),
    );
    const number =
      row?.['first'] != null ? integer(row, 'first') - 1 : row?.['last'] != null ? integer(row, 'last') : 0;
    return { last: number, marks: [{ at: services.clock.now().getTime(), number }] };
  }

  /** Reads lines within the overlap that were committed after later lines. */
  async #readLateLines(call: Call, progress: Progress): Promise<Progress> {
    const floor = this.#overlapStart(progress);
    let [from, to] = [0, 0];
    for (let number = floor + 1; number <= progress.last; number++) {
      if (this.#readNumbers.has(number)) continue;
      from ||= number;
      to = number;
    }
    if (from === 0) return progress;
    const existing = (await this.#query(call, 'poll overlap', statements.lineNumbersBetween(from, to))).map((row) =>
      integer(row, 'id'),
    );
    const late = existing.filter((number) => !this.#readNumbers.has(number));
    let committed = progress;
    for (let i = 0; i < late.length; i += 500) {
      const rows = await this.#query(call, 'poll late', statements.linesById(late.slice(i, i + 500)));
      committed = await this.#commit(rows, progress);
    }
    return committed;
  }

  /** Commits the events of a batch and its progress in one transaction. Logs and skips lines that cannot be mapped. */
  async #commit(rows: readonly Row[], progress: Progress): Promise<Progress> {
    const { services, context } = this.#installation;
    const events: DoorEvent[] = [];
    for (const row of rows) {
      try {
        const event = mapLogLine(row, context);
        if (event) events.push(event);
      } catch (error) {
        services.log.warn('Skipped a malformed line of the door log.', { line: row['id'], error });
      }
    }
    await services.transaction(async (tx) => {
      await services.state.set(tx, STATE, progress);
      await services.emit(tx, events.map(toEvent));
    });
    for (const row of rows) this.#readNumbers.add(integer(row, 'id'));
    for (const { time } of events) if (this.#newest === null || time > this.#newest) this.#newest = time;
    return progress;
  }

  /** Adds a mark at most every twentieth of the overlap and drops marks that are no longer needed. */
  #withMark(progress: Progress, last: number): Progress {
    const now = this.#installation.services.clock.now().getTime();
    const { overlap } = this.#installation.settings;
    const marks = [...progress.marks];
    if (this.#age(marks.at(-1)) >= overlap / 20) marks.push({ at: now, number: last });
    // The overlap starts at the newest mark that is older than it; earlier marks are not needed.
    while (marks.length > 1 && this.#age(marks[1]) >= overlap) marks.shift();
    return { last, marks };
  }

  #overlapStart(progress: Progress): number {
    const { overlap } = this.#installation.settings;
    const mark = progress.marks.findLast((candidate) => this.#age(candidate) >= overlap) ?? progress.marks[0];
    return Math.max(mark?.number ?? progress.last, progress.last - MAX_OVERLAP_LINES);
  }

  /** Milliseconds since the mark, unaffected by changes of the wall clock, which must not shorten the overlap. */
  #age(mark: Progress['marks'][number] | undefined): number {
    return mark ? storedAgesOf(this.#installation.services.clock).ageOf(new Date(mark.at)) : Number.POSITIVE_INFINITY;
  }

  #pruneReadNumbers(progress: Progress): void {
    const floor = this.#overlapStart(progress);
    for (const number of this.#readNumbers) if (number <= floor) this.#readNumbers.delete(number);
  }
}

function toEvent(event: DoorEvent): NewEvent {
  const { foreignId, time, kind, door, badge, company } = event;
  const common = { foreignId, time, door, badge, company };
  if (kind === 'DOOR_STATE_CHANGED') return { ...common, kind, data: { state: event.state ?? 'UNKNOWN' } };
  return kind === 'ACCESS_DENIED' ? { ...common, kind, data: { reason: event.reason } } : { ...common, kind };
}
