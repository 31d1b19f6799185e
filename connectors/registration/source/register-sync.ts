/** Reads changed register entries: registers company names and emits events for changes. */
import type { Call } from '../../kit/call.ts';
import { malformed } from '../../kit/errors.ts';
import type { Claim, NewEvent, Services } from '../../kit/services.ts';
import * as mapping from '../mapping/index.ts';
import type { Entry, EntryPage } from '../model.ts';
import type { XRoadClient } from './x-road-client.ts';

/** Requested entries per page; a register may return fewer. */
const PAGE_SIZE = 100;
/** Milliseconds before the cursor that are read again: an entry can become visible after one with a later time. */
const OVERLAP = 2 * 60_000;
/** Fields whose changes are events. */
const WATCHED_FIELDS = ['legalName', 'status', 'legalRepresentative', 'capital', 'scope', 'address'] as const;

/**
 * Reads from the cursor to the end, one transaction per page. Entries that change meanwhile move between pages, so each page starts with
 * the last entry of the previous one. If it does not, entries may have been skipped, and the cursor is not moved.
 */
export async function syncRegister(call: Call, bus: XRoadClient, services: Services): Promise<void> {
  const since = await services.read((tx) => services.state.get<string>(tx, 'since'));
  const from = since === null ? null : new Date(Date.parse(since) - OVERLAP).toISOString();
  let newest = since;
  let previous: EntryPage | null = null;
  let isContiguous = true;
  for (let offset = 0; ; ) {
    const page = await readPage(offset, from, call, bus, services);
    if (call.signal.aborted) return;
    await saveEntries(page.entries, services);
    for (const { changedAt } of page.entries) {
      if (changedAt && (newest === null || changedAt.toISOString() > newest)) newest = changedAt.toISOString();
    }
    isContiguous &&= previous === null || (page.total === previous.total && page.codes[0] === previous.codes.at(-1));
    if (offset + page.codes.length >= page.total) break;
    if (page.codes.length < 2)
      throw malformed(`the page at ${offset} of ${page.total} has ${page.codes.length} entries`);
    offset += page.codes.length - 1;
    previous = page;
  }
  if (isContiguous && newest !== since) await services.transaction((tx) => services.state.set(tx, 'since', newest));
}

/** Reads one page and logs rejected entries. Throws SOURCE_MALFORMED when all entries of a page are rejected. */
async function readPage(
  offset: number,
  from: string | null,
  call: Call,
  bus: XRoadClient,
  services: Services,
): Promise<EntryPage> {
  const fields = { OFFSET: String(offset), LIMIT: String(PAGE_SIZE), ...(from ? { CHANGEDSINCE: from } : {}) };
  const { value: page } = await services.guard.read(call, { operation: 'poll register' }, async (signal) =>
    mapping.parseEntryPage(await bus.request('listCompanies', fields, signal)),
  );
  for (const reason of page.refused) services.log.warn('Rejected an entry of the register.', { offset, reason });
  const { notes } = page;
  if (notes.length > 0) {
    const fields = { offset, count: notes.length, first: notes[0] };
    services.log.info('Accepted register entries whose credit code fails its check digit.', fields);
  }
  if (page.codes.length > 0 && page.entries.length === 0) throw malformed(page.refused[0] ?? 'no entry');
  return page;
}

async function saveEntries(entries: readonly Entry[], services: Services): Promise<void> {
  const { store, installation, transaction, identify, emit, clock, hash } = services;
  // Only a keyed hash of the representative's name is stored.
  const comparableFields = (entry: Entry): Record<string, unknown> =>
    Object.fromEntries(
      WATCHED_FIELDS.map((name) => {
        const value = entry[name];
        return [name, name === 'legalRepresentative' && entry[name] !== null ? hash('name', entry[name]) : value];
      }),
    );
  await transaction(async (tx) => {
    const codes = entries.map((one) => one.uscc);
    const seen = await store.registration.registerEntries(tx, installation.id, codes);
    const events: NewEvent[] = [];
    for (const one of entries) {
      const before = seen.get(one.uscc)?.fields;
      // An entry that is read for the first time is not a change.
      if (!before) continue;
      const now = comparableFields(one);
      const fields = WATCHED_FIELDS.filter((name) => !equal(before[name], now[name]));
      if (fields.length === 0) continue;
      const time = one.changedAt ?? clock.now();
      events.push({
        foreignId: `changed ${one.uscc} ${time.toISOString()}`,
        kind: 'REGISTRATION_CHANGED',
        time,
        company: one.uscc,
        data: { fields },
      });
    }
    await store.registration.saveEntries(
      tx,
      installation.id,
      entries.map((one) => ({ uscc: one.uscc, fields: comparableFields(one) })),
    );
    await identify(
      tx,
      entries.map(
        (one): Claim => ({
          ...{ entity: 'COMPANY', key: one.uscc, system: 'uscc', value: one.uscc },
          ...{ name: one.legalName, facts: { address: one.address }, authority: true },
          recordedAt: one.changedAt ?? null,
        }),
      ),
    );
    await emit(tx, events);
  });
}

const equal = (one: unknown, other: unknown): boolean => canonicalJson(one) === canonicalJson(other);

/** JSON with sorted keys, because the database returns them in its own order. */
const canonicalJson = (value: unknown): string =>
  JSON.stringify(value ?? null, (_, one: unknown) =>
    one !== null && typeof one === 'object' && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );
