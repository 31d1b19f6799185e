/** From what the sources know to what the graph shows: masks, rights and provenance. */

import { can, FEW_PERSONS, mayCompany, unmasked } from '../../kit/auth/principal.ts';
import type { GraphContext, Installed } from '../../kit/connector.ts';
import { withheldGroups } from '../../kit/disclosure-control.ts';
import { maskName } from '../../kit/identifiers.ts';
import { type Facts, joinedProvenance, type Known, provenance } from '../../kit/provenance.ts';
import type * as model from '../model.ts';
import { AccessSource } from '../source/index.ts';
import type { AccessEvent, Badge, Door, Person, Presence } from './types.ts';
import { AccessOutcome } from './types.ts';

export type Context = GraphContext<AccessSource>;

/** Asks every installation; dark ones are left out as long as one answers, and are noted by the guard. */
export async function gather<T>(
  context: Context,
  ask: (source: AccessSource) => Promise<T | null>,
): Promise<{ answers: { at: Installed<AccessSource>; value: T }[]; dark: boolean }> {
  const all = context.installations.all();
  const asked = await Promise.allSettled(all.map(async (at) => ({ at, value: await ask(at.source) })));
  const answers = asked.flatMap((one) => {
    if (one.status === 'rejected' || one.value.value === null) return [];
    return [{ at: one.value.at, value: one.value.value }];
  });
  const failed = asked.find((one) => one.status === 'rejected');
  if (answers.length === 0 && failed) throw failed.reason;
  return { answers, dark: failed !== undefined };
}

/** A door by its global id; null when no installation that the caller may see has made it. */
export async function doorById(id: string, context: Context): Promise<Door | null> {
  const found = owned(id, 'door', context);
  if (!found) return null;
  const known = await found.source.door.load(found.number);
  return known && showDoor(known, found.source, context);
}

/** A badge by its global id; null when no installation that the caller may see has made it. */
export async function badgeById(id: string, context: Context): Promise<Badge | null> {
  const found = owned(id, 'badge', context);
  if (!found) return null;
  const known = await found.source.badge.load(found.number);
  return known && showBadge(known, found.source, context);
}

function owned(id: string, kind: 'door' | 'badge', { installations }: Context) {
  const owner = installations.owner(id);
  if (!owner) return null;
  const number = AccessSource.number(kind, owner.local);
  return number === null ? null : { source: owner.source, number: String(number) };
}

const localNumber = (id: string): string => id.slice(id.lastIndexOf('-') + 1);

export function showDoor({ value, facts }: Known<model.Door>, source: AccessSource, context: Context): Door {
  return {
    id: value.id,
    name: value.name,
    building: value.building === null ? null : { id: value.building },
    provenance: provenance(facts, context.clock),
    number: localNumber(value.id),
    source,
  };
}

export function showBadge(known: Known<model.Badge>, source: AccessSource, context: Context): Badge {
  const { value, facts } = known;
  return {
    id: value.id,
    company: value.company === null ? null : { uscc: value.company },
    active: value.active,
    provenance: provenance(facts, context.clock),
    number: localNumber(value.id),
    known,
    source,
  };
}

/** `company`: whose badge it was, where that is known. */
export function showPassage(
  { value, facts }: Known<model.Passage>,
  company: string | null,
  context: Context,
): AccessEvent {
  return {
    id: value.id,
    time: value.time,
    outcome: value.granted ? AccessOutcome.GRANTED : AccessOutcome.DENIED,
    reason: value.reason,
    provenance: provenance({ ...facts, recordedAt: value.time }, context.clock),
    doorId: value.door,
    badgeId: value.badge,
    company,
  };
}

export function showPerson(person: model.Person, facts: Facts, context: Context): Person {
  const open = unmasked(context.principal, 'Person.name');
  return {
    id: person.id,
    name: open ? person.name : null,
    nameMasked: person.name === null ? null : maskName(person.name),
    company: person.company === null ? null : { uscc: person.company },
    provenance: provenance(facts, context.clock, { masked: open || person.name === null ? [] : ['name'] }),
  };
}

/**
 * Whether the count of a building's or company's people is withheld from the caller, who may not see all persons one by one: of few, or
 * because it would give away another one that is (see kit/small-groups.ts).
 */
async function isWithheld(by: 'building' | 'company', key: string, count: number, context: Context): Promise<boolean> {
  const { principal } = context;
  const persons = can(principal, 'access:persons');
  if (persons && principal.companies === null) return false;
  if (!persons && count < FEW_PERSONS) return true;
  const park = by === 'building' ? context.rows.parks.ofBuilding(key) : null;
  const all = context.installations.all(park ?? undefined);
  const asked = await Promise.allSettled(all.map(({ source }) => source.everyone()));
  // What one installation does not tell could be the rest that gives a group away.
  if (asked.some(({ status }) => status === 'rejected')) return true;
  const groups = new Map<string | null, string[]>();
  for (const one of asked.flatMap((each) => (each.status === 'fulfilled' ? each.value.value : []))) {
    const group = by === 'building' ? one.building : one.person.company;
    const members = groups.get(group) ?? [];
    if (!(persons && mayCompany(principal, one.person.company))) members.push(one.person.id);
    groups.set(group, members);
  }
  const withheld = withheldGroups(
    [...groups].map(([group, members]) => ({ key: group, members })),
    FEW_PERSONS,
  );
  return withheld.groups.has(key);
}

/** Null when no installation knows the building or company. `dark`: some installation did not answer. */
export async function showPresence(
  of: { readonly by: 'building' | 'company'; readonly key: string; readonly list: string },
  seen: readonly Known<readonly model.Sighting[]>[],
  dark: boolean,
  context: Context,
): Promise<Presence | null> {
  if (seen.length === 0) return null;
  const count = seen.reduce((sum, one) => sum + one.value.length, 0);
  const withheld = await isWithheld(of.by, of.key, count, context);
  const newest = (one: Known<readonly model.Sighting[]>) =>
    one.value.reduce<Date | null>((last, { time }) => (last === null || time > last ? time : last), null);
  const facts = seen.map((one) => ({ ...one.facts, recordedAt: newest(one), stale: one.facts.stale || dark }));
  return {
    peopleInside: withheld ? null : count,
    provenance: joinedProvenance(facts, context.clock, { masked: withheld ? ['peopleInside'] : [] }),
    list: of.list,
    seen,
  };
}
