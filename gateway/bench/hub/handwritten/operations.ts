/** The operations of the hand-written program, as functions from variables to the response. */
import { createHash, createHmac } from 'node:crypto';
import type pg from 'pg';
import { maskPlate } from '../../../../schema/graph/identifiers.ts';
import type { AuditChain } from './audit-chain.ts';
import type { Caller } from './caller.ts';
import type { Car, CarParks, Lot, OpenSession } from './car-parks.ts';
import { companyOf, energyOf, firstCompanies, taxOf } from './hub-tables.ts';
import type { Doors, Register } from './register-and-doors.ts';

/** An installation with its park. */
export interface Installed {
  readonly id: string;
  readonly park: string;
}

/** Everything that the operations read from. */
export interface Sources {
  readonly pool: pg.Pool;
  readonly audit: AuditChain;
  readonly register: Installed & { readonly client: Register };
  readonly doors: Installed & { readonly client: Doors };
  readonly carParks: Installed & { readonly client: CarParks };
  readonly tax: readonly Installed[];
  readonly energy: readonly Installed[];
  readonly cursorKey: Buffer;
}

/** A field is denied or its source failed. */
interface ResponseError {
  readonly message: string;
  readonly path: readonly string[];
  readonly extensions: { readonly code: string };
}

/** The file of the tax office is stale after this, in milliseconds. */
const TAX_FRESH = 26 * 3_600_000;
/** Cars and meters of one response. */
const PAGE = 5;

/** Fields of Company360 in the audit entry. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  registration: ['Company.registration', 'Registration.establishedOn', 'Registration.legalName', 'Registration.status'],
  presence: ['Company.presence', 'Presence.peopleInside'],
  vehicles: ['Company.vehicles', 'Vehicle.id', 'Vehicle.plateMasked', 'Vehicle.session'],
  sessions: ['ParkingSession.enteredAt', 'ParkingSession.lot'],
  lots: ['ParkingLot.free', 'ParkingLot.id', 'ParkingLot.name'],
  tax: ['Company.tax', 'TaxAccount.standing'],
  filing: ['Money.currency', 'Money.value', 'TaxFiling.period'],
  meters: ['Company.meters', 'Meter.id', 'Meter.latest', 'Meter.medium', 'Meter.unit'],
  latest: ['MeterReading.time', 'MeterReading.value'],
  energy: ['Company.energy', 'EnergyBucket.start', 'EnergyBucket.value'],
  total: ['Quantity.unit', 'Quantity.value'],
};

const sees = (caller: Caller, { park }: Installed): boolean => caller.parks === null || caller.parks.includes(park);
const idsOf = (caller: Caller, all: readonly Installed[]): string[] =>
  all.filter((one) => sees(caller, one)).map(({ id }) => id);

/** Milliseconds as an ISO 8601 duration, as the graph writes it. */
const duration = (milliseconds: number): string => {
  const seconds = milliseconds / 1_000;
  if (seconds < 60) return `PT${seconds}S`;
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60)];
  return `PT${hours > 0 ? `${hours}H` : ''}${minutes > 0 ? `${minutes}M` : ''}${seconds % 60 > 0 ? `${seconds % 60}S` : ''}`;
};

/** `Company360`. Resolves with the text of the response when the access is in the audit log. */
export async function company360(
  sources: Sources,
  caller: Caller,
  request: { readonly hash: string; readonly variables: { uscc: string; from: string; to: string } },
): Promise<string> {
  const { uscc, from, to } = request.variables;
  const { pool } = sources;
  const errors: ResponseError[] = [];
  const isVisible = caller.companies === null || caller.companies.includes(uscc);
  if (!isVisible) return '{"data":{"company":null}}';
  /** The field, or null with an error if the caller lacks the right or the source fails. */
  const field = async <T>(name: string, scope: string, read: () => Promise<T>): Promise<T | null> => {
    if (!caller.scopes.has(scope)) {
      errors.push(error(name, 'FORBIDDEN', `Access to Company.${name} denied: it requires the scope ${scope}.`));
      return null;
    }
    try {
      return await read();
    } catch (cause) {
      errors.push(error(name, 'SOURCE_UNAVAILABLE', `${name}: ${(cause as Error).message}`));
      return null;
    }
  };
  const query = { installations: idsOf(caller, sources.energy), from: new Date(from), to: new Date(to) };
  const [company, registration, presence, vehicles, tax, energy] = await Promise.all([
    companyOf(pool, uscc, caller.parks),
    field('registration', 'registration:read', () => registrationOf(sources, caller, uscc)),
    field('presence', 'access:read', () => presenceOf(sources, caller, uscc)),
    field('vehicles', 'parking:read', () => vehiclesOf(sources, caller, uscc)),
    field('tax', 'tax:read', () => taxAccountOf(sources, caller, uscc)),
    field('energy', 'energy:read', () => energyOf(pool, uscc, query)),
  ]);
  if (company === null) return '{"data":{"company":null}}';
  const cars = vehicles?.nodes ?? [];
  const meters = energy?.meters ?? [];
  const parked = cars.flatMap(({ session }) => session ?? []);
  const lots = new Set(parked.flatMap(({ lot }) => lot?.id ?? []));
  const fields = [
    ...(registration ? (FIELDS['registration'] as string[]) : []),
    ...(presence ? (FIELDS['presence'] as string[]) : []),
    ...(vehicles ? (FIELDS['vehicles'] as string[]) : []),
    ...(parked.length > 0 ? (FIELDS['sessions'] as string[]) : []),
    ...(lots.size > 0 ? (FIELDS['lots'] as string[]) : []),
    ...(tax ? (FIELDS['tax'] as string[]) : []),
    ...(tax?.lastFiling ? (FIELDS['filing'] as string[]) : []),
    ...(energy ? (FIELDS['meters'] as string[]) : []),
    ...(meters.some(({ latest }) => latest) ? (FIELDS['latest'] as string[]) : []),
    ...(energy ? (FIELDS['energy'] as string[]) : []),
    ...(energy?.series.total ? (FIELDS['total'] as string[]) : []),
  ].sort();
  await sources.audit.record({
    subject: caller.subject,
    client: caller.client,
    purpose: tax ? 'tax' : null,
    basis: tax ? 'consent:tax' : `role:${caller.role}`,
    operation: request.hash,
    fields,
    entities: {
      Company: [uscc],
      Meter: meters.map(({ id }) => id),
      ParkingLot: [...lots],
      ParkingSession: parked.map(({ id }) => id),
      Vehicle: cars.map(({ id }) => id),
    },
  });
  const data = {
    company: {
      uscc,
      name: company.name,
      registration,
      presence,
      vehicles: vehicles && {
        nodes: cars.map(({ id, plateMasked, session }) => ({
          id,
          plateMasked,
          session: session && { enteredAt: session.enteredAt, lot: session.lot },
        })),
      },
      tax,
      meters: energy && { nodes: meters },
      energy: energy?.series ?? null,
      identifiers: company.identifiers,
    },
  };
  return JSON.stringify(errors.length > 0 ? { data, errors } : { data });
}

const error = (name: string, code: string, message: string): ResponseError => ({
  message,
  path: ['company', name],
  extensions: { code },
});

async function registrationOf({ register }: Sources, caller: Caller, uscc: string) {
  if (!sees(caller, register)) return null;
  const { value, at } = await register.client.entry(uscc, caller.subject);
  if (value === null) return null;
  const { status, legalName, establishedOn, recordedAt } = value;
  const age = duration(Date.now() - at);
  const provenance = { source: register.id, system: 'registration', recordedAt, age, stale: false };
  return { status, legalName, establishedOn, provenance };
}

async function presenceOf({ doors }: Sources, caller: Caller, uscc: string) {
  if (!sees(caller, doors)) return null;
  const { value } = await doors.client.peopleInside(uscc);
  // Callers who may see single persons of all companies see every number; others not those below five.
  const isWithheld = value < 5 && !(caller.scopes.has('access:persons') && caller.companies === null);
  return { peopleInside: isWithheld ? null : value, provenance: { source: doors.id, stale: false } };
}

async function vehiclesOf({ carParks }: Sources, caller: Caller, uscc: string) {
  if (!sees(caller, carParks)) return { nodes: [] };
  const { client, id: installation } = carParks;
  const { value } = await client.carsOf(uscc);
  const cars = value.slice(0, PAGE);
  if (cars.length === 0) return { nodes: [] };
  const [sessions, lots] = await Promise.all([client.sessionsOf(cars.map(({ plate }) => plate)), client.lots()]);
  const lotOf = (id: string | null): Lot | null => {
    const lot = id === null ? undefined : lots.value.get(id);
    return lot ? { id: `${installation}:${lot.id}`, name: lot.name, free: lot.free } : null;
  };
  return {
    nodes: cars.map((car) => {
      const session = newest(car, sessions.get(car.plate) ?? []);
      return {
        id: car.id,
        plateMasked: maskPlate(car.plate),
        session: session && {
          id: `${installation}:${session.id}`,
          enteredAt: session.enteredAt,
          lot: lotOf(session.lot),
        },
      };
    }),
  };
}

function newest(car: Car, sessions: readonly OpenSession[]): OpenSession | null {
  let found: OpenSession | null = null;
  for (const session of sessions)
    if (session.colour === car.colour && (found === null || session.enteredAt > found.enteredAt)) found = session;
  return found;
}

async function taxAccountOf({ pool, tax }: Sources, caller: Caller, uscc: string) {
  if (!caller.consents.includes('tax')) throw new Error('The company has not granted consent for the purpose tax.');
  const rows = await taxOf(pool, uscc, idsOf(caller, tax));
  if (rows.length === 0) return null;
  if (rows.length > 1) throw new Error('More than one tax office knows the company, which this program does not join.');
  const [row] = rows as [(typeof rows)[number]];
  const { installation: source, standing, recordedAt, listedAt, period, amount, currency } = row;
  const stale = listedAt === null || Date.now() - Date.parse(listedAt) > TAX_FRESH;
  return {
    standing: standing ?? 'UNKNOWN',
    lastFiling: period === null ? null : { period, amount: { value: amount, currency } },
    provenance: { source, recordedAt: recordedAt.toISOString(), stale },
  };
}

/** Scope of cursors of the list of all companies. */
const COMPANIES_SCOPE = `companies:${createHash('sha256').update('{}').digest('base64url').slice(0, 16)}`;

/** `Companies`: the first page by name. It has no protected field, so nothing is logged. */
export async function companies(
  { pool, cursorKey }: Sources,
  caller: Caller,
  variables: { first?: number },
): Promise<string> {
  if (caller.parks !== null || caller.companies !== null)
    throw new Error('This program lists companies only for callers who may see all.');
  const first = variables.first ?? 10;
  const rows = await firstCompanies(pool, first);
  const nodes = rows.slice(0, first);
  const last = nodes.at(-1);
  const endCursor = last ? signCursor(cursorKey, [last.name ?? '', last.uscc]) : null;
  return JSON.stringify({
    data: { companies: { nodes, pageInfo: { endCursor, hasNextPage: rows.length > first } } },
  });
}

function signCursor(key: Buffer, position: readonly string[]): string {
  const body = Buffer.from(JSON.stringify(position), 'utf8');
  const mac = createHmac('sha256', key).update(COMPANIES_SCOPE).update('\0').update(body).digest().subarray(0, 16);
  return Buffer.concat([mac, body]).toString('base64url');
}
