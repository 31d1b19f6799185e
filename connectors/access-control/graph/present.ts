/** Converts model objects to graph objects: applies masks and rights, adds provenance. */

import { maskName } from '../../../schema/graph/identifiers.ts';
import { hasScope, MIN_PERSON_COUNT, mayAccessCompany, mayUnmask } from '../../kit/auth/principal.ts';
import type { GraphContext, InstallationHandle } from '../../kit/connector.ts';
import { withheldGroups } from '../../kit/disclosure-control.ts';
import { joinedProvenance, type ProvenanceFacts, provenance, type Sourced } from '../../kit/provenance.ts';
import type * as model from '../model.ts';
import { AccessSource } from '../source/index.ts';
import type { AccessEvent, Badge, Door, Person, Presence } from './types.ts';
import { AccessOutcome } from './types.ts';

export type AccessContext = GraphContext<AccessSource>;

type AccessInstallation = InstallationHandle<AccessSource>;

/** The installations that may have doors in the building. */
export const installationsOfBuilding = (building: string, context: AccessContext): readonly AccessInstallation[] =>
  context.installations.all(context.rows.parks.parkOfBuilding(building) ?? undefined);

/**
 * Queries these installations and returns the non-null results. `incomplete`: some installation failed; the guard records it. Rejects
 * when no installation returned a result and one failed.
 */
export async function queryInstallations<T>(
  installations: readonly AccessInstallation[],
  query: (source: AccessSource, id: string) => Promise<T | null>,
): Promise<{ results: { installation: AccessInstallation; value: T }[]; incomplete: boolean }> {
  const settled = await Promise.allSettled(
    installations.map(async (installation) => ({
      installation,
      value: await query(installation.source, installation.id),
    })),
  );
  const results = settled.flatMap((outcome) => {
    if (outcome.status === 'rejected' || outcome.value.value === null) return [];
    return [{ installation: outcome.value.installation, value: outcome.value.value }];
  });
  const failure = settled.find((outcome) => outcome.status === 'rejected');
  if (results.length === 0 && failure) throw failure.reason;
  return { results, incomplete: failure !== undefined };
}

/** A door by its global id; null when the id belongs to no installation visible to the caller. */
export async function doorById(id: string, context: AccessContext): Promise<Door | null> {
  const owner = ownerOf(id, 'door', context);
  if (!owner) return null;
  const door = await owner.source.door.load(owner.number);
  return door && presentDoor(door, owner.source, context);
}

/** A badge by its global id; null when the id belongs to no installation visible to the caller. */
export async function badgeById(id: string, context: AccessContext): Promise<Badge | null> {
  const owner = ownerOf(id, 'badge', context);
  if (!owner) return null;
  const badge = await owner.source.badge.load(owner.number);
  return badge && presentBadge(badge, owner.source, context);
}

function ownerOf(id: string, kind: 'door' | 'badge', { installations }: AccessContext) {
  const owner = installations.byGlobalId(id);
  if (!owner) return null;
  const number = AccessSource.localNumber(kind, owner.local);
  return number === null ? null : { source: owner.source, number: String(number) };
}

const localNumber = (id: string): string => id.slice(id.lastIndexOf('-') + 1);

export function presentDoor({ value, facts }: Sourced<model.Door>, source: AccessSource, context: AccessContext): Door {
  return {
    id: value.id,
    name: value.name,
    building: value.building === null ? null : { id: value.building },
    provenance: provenance(facts, context.clock),
    number: localNumber(value.id),
    source,
  };
}

export function presentBadge(known: Sourced<model.Badge>, source: AccessSource, context: AccessContext): Badge {
  const { value, facts } = known;
  return {
    id: value.id,
    company: value.company === null ? null : { uscc: value.company },
    active: value.active,
    provenance: provenance(facts, context.clock),
    number: localNumber(value.id),
    record: known,
    source,
  };
}

/** `company`: company of the badge holder, if known. */
export function presentAccessEvent(
  { value, facts }: Sourced<model.AccessAttempt>,
  company: string | null,
  context: AccessContext,
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

export function presentPerson(person: model.Person, facts: ProvenanceFacts, context: AccessContext): Person {
  const maySeeName = mayUnmask(context.principal, 'Person.name');
  return {
    id: person.id,
    name: maySeeName ? person.name : null,
    nameMasked: person.name === null ? null : maskName(person.name),
    company: person.company === null ? null : { uscc: person.company },
    provenance: provenance(facts, context.clock, { masked: maySeeName || person.name === null ? [] : ['name'] }),
  };
}

/**
 * Whether the number of people in a building or of a company is withheld from a caller who may not see single persons: because it
 * is small, or because it would reveal another withheld number (see kit/disclosure-control.ts). The number of a company is the sum over
 * its installations; it is withheld if its part in one of them would be, so that no other installation needs to be known.
 */
async function isWithheld(of: PresenceKey, count: number, context: AccessContext): Promise<boolean> {
  const { principal } = context;
  const maySeePersons = hasScope(principal, 'access:persons');
  if (maySeePersons && principal.companies === null) return false;
  if (!maySeePersons && count < MIN_PERSON_COUNT) return true;
  const results = await Promise.allSettled(of.installations.map(({ source }) => source.allOccupants()));
  // Groups of an installation that failed are unknown, so nothing can be shown safely.
  if (results.some(({ status }) => status === 'rejected')) return true;
  const lists = results.map((result) => (result.status === 'fulfilled' ? result.value.value : []));
  const related = of.by === 'building' ? [lists.flat()] : lists;
  return related.some((occupants) => isGroupWithheld(of, occupants, context));
}

/** Whether the group of the building or company is withheld among these people. */
function isGroupWithheld({ by, key }: PresenceKey, occupants: readonly model.Occupant[], context: AccessContext) {
  const { principal } = context;
  const maySeePersons = hasScope(principal, 'access:persons');
  const groups = new Map<string | null, string[]>();
  for (const { building, person } of occupants) {
    const group = by === 'building' ? building : person.company;
    const members = groups.get(group) ?? [];
    if (!(maySeePersons && mayAccessCompany(principal, person.company))) members.push(person.id);
    groups.set(group, members);
  }
  const withheld = withheldGroups(
    [...groups].map(([group, members]) => ({ key: group, members })),
    MIN_PERSON_COUNT,
  );
  return withheld.groups.has(key);
}

/** The building or company whose people are counted, and the installations that were asked. */
interface PresenceKey {
  readonly by: 'building' | 'company';
  readonly key: string;
  readonly cursorScope: string;
  readonly installations: readonly AccessInstallation[];
}

/** Null when no installation knows the building or company. `incomplete`: some installation failed. */
export async function presentPresence(
  of: PresenceKey,
  { occupants, incomplete }: { occupants: readonly Sourced<readonly model.Occupant[]>[]; incomplete: boolean },
  context: AccessContext,
): Promise<Presence | null> {
  if (occupants.length === 0) return null;
  const count = occupants.reduce((sum, { value }) => sum + value.length, 0);
  const withheld = await isWithheld(of, count, context);
  const newest = (list: readonly model.Occupant[]) =>
    list.reduce<Date | null>((last, { time }) => (last === null || time > last ? time : last), null);
  const facts = occupants.map((part) => ({
    ...part.facts,
    recordedAt: newest(part.value),
    stale: part.facts.stale || incomplete,
  }));
  return {
    peopleInside: withheld ? null : count,
    provenance: joinedProvenance(facts, context.clock, { masked: withheld ? ['peopleInside'] : [] }),
    cursorScope: of.cursorScope,
    occupants,
  };
}
