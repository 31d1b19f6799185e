/** Reading what has changed in the register: names for the hub, changes as events. */
import type { Call, Claim, NewEvent, Services } from '../../kit/connector.ts';
import { malformed } from '../../kit/errors.ts';
import * as mapping from '../mapping.ts';
import type { Entry, EntryPage } from '../model.ts';
import type { Bus } from './bus.ts';

/** Entries asked for in one page; a register may give fewer. */
const PAGE = 100;
/** Read back behind the cursor (milliseconds): an entry may become visible after one that carries a later time. */
const OVERLAP = 2 * 60_000;
/** Fields whose change is told. */
const WATCHED = ['legalName', 'status', 'legalRepresentative', 'capital', 'scope', 'address'] as const;

/**
 * Reads from the cursor to the end, one transaction a page. Entries that change meanwhile move from page to page; each page therefore
 * begins with the last entry of the one before. Where it does not, something may have been jumped over: the cursor stays.
 */
export async function readRegister(call: Call, bus: Bus, services: Services): Promise<void> {
  const since = await services.read((tx) => services.state.get<string>(tx, 'since'));
  const from = since === null ? null : new Date(Date.parse(since) - OVERLAP).toISOString();
  let newest = since;
  let before: EntryPage | null = null;
  let steady = true;
  for (let offset = 0; ; ) {
    const page = await readPage(offset, from, call, bus, services);
    if (call.signal.aborted) return;
    await keep(page.entries, services);
    for (const { changedAt } of page.entries) {
      if (changedAt && (newest === null || changedAt.toISOString() > newest)) newest = changedAt.toISOString();
    }
    steady &&= before === null || (page.total === before.total && page.codes[0] === before.codes.at(-1));
    if (offset + page.codes.length >= page.total) break;
    if (page.codes.length < 2) throw malformed(`a page at ${offset} of ${page.total} holds ${page.codes.length}`);
    offset += page.codes.length - 1;
    before = page;
  }
  if (steady && newest !== since) await services.transaction((tx) => services.state.set(tx, 'since', newest));
}

/** One page; entries that cannot be understood are reported, and refused as a whole where none can. */
async function readPage(
  offset: number,
  from: string | null,
  call: Call,
  bus: Bus,
  services: Services,
): Promise<EntryPage> {
  const fields = { OFFSET: String(offset), LIMIT: String(PAGE), ...(from ? { CHANGEDSINCE: from } : {}) };
  const { value: page } = await services.guard.read(call, { operation: 'poll register' }, async (signal) =>
    mapping.entries(await bus.ask('listCompanies', fields, signal)),
  );
  for (const reason of page.refused) services.log.warn('An entry of the register was refused.', { offset, reason });
  const { notes } = page;
  if (notes.length > 0) {
    const fields = { offset, count: notes.length, first: notes[0] };
    services.log.info('Entries of the register are kept whose credit code fails its last check.', fields);
  }
  if (page.codes.length > 0 && page.entries.length === 0) throw malformed(page.refused[0] ?? 'no entry');
  return page;
}

async function keep(entries: readonly Entry[], services: Services): Promise<void> {
  const { store, installation, transaction, identify, emit, clock, hash } = services;
  // A person's name is compared, not kept.
  const seenAs = (one: Entry): Record<string, unknown> =>
    Object.fromEntries(
      WATCHED.map((name) => {
        const value = one[name];
        return [name, name === 'legalRepresentative' && one[name] !== null ? hash('name', one[name]) : value];
      }),
    );
  await transaction(async (tx) => {
    const codes = entries.map((one) => one.uscc);
    const seen = await store.registration.seenEntries(tx, installation.id, codes);
    const events: NewEvent[] = [];
    for (const one of entries) {
      const before = seen.get(one.uscc)?.fields;
      // What is seen for the first time is no change.
      if (!before) continue;
      const now = seenAs(one);
      const fields = WATCHED.filter((name) => !equal(before[name], now[name]));
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
      entries.map((one) => ({ uscc: one.uscc, fields: seenAs(one) })),
    );
    await identify(
      tx,
      entries.map(
        (one): Claim => ({
          ...{ entity: 'COMPANY', key: one.uscc, system: 'uscc', value: one.uscc },
          ...{ name: one.legalName, says: { address: one.address }, authority: true },
          recordedAt: one.changedAt ?? null,
        }),
      ),
    );
    await emit(tx, events);
  });
}

const equal = (one: unknown, other: unknown): boolean => ordered(one) === ordered(other);

/** JSON with keys in order: the database gives them back in its own. */
const ordered = (value: unknown): string =>
  JSON.stringify(value ?? null, (_, one: unknown) =>
    one !== null && typeof one === 'object' && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );
