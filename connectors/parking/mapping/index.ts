/** Maps the vendor's APDS records to the model, and the hub's changes to APDS. Pure functions; only this folder knows APDS names. */

import { parsePlate, parseUscc } from '../../../schema/graph/identifiers.ts';
import { malformed } from '../../kit/errors.ts';
import type {
  GateEvent,
  Grant,
  Lot,
  Money,
  Observation,
  Permit,
  PlateColour,
  Reference,
  Session,
  VehicleKey,
} from '../model.ts';
import { integer, list, multilingual, object, optionalTime, type Raw, reference, text, time } from './field-checks.ts';

export * from './drift.ts';
export * from './list-responses.ts';

/** Contract lots and broken counters report this count for "unknown". */
const UNKNOWN_COUNT = 9999;
/** Values of `occupancyCalculation` for measured counts; `derived` and `expected` counts are ignored. */
const MEASURED: readonly unknown[] = [undefined, null, 'counted', 'verified'];

const COLOURS: Readonly<Record<string, PlateColour>> = {
  blue: 'BLUE',
  yellow: 'YELLOW',
  green: 'GREEN',
  'yellow-green': 'YELLOW_GREEN',
  white: 'WHITE',
  black: 'BLACK',
};
const COLOUR_NAMES = new Map(Object.entries(COLOURS).map(([name, colour]) => [colour, name]));

/** Seconds since the epoch, rounded down. */
export const floorSeconds = (time: Date): number => Math.floor(time.getTime() / 1000);
/** Seconds since the epoch, rounded up. */
export const ceilSeconds = (time: Date): number => Math.ceil(time.getTime() / 1000);

/** Maps an APDS place with its supply, measured occupancy and right specifications. */
export function lot(body: unknown, where = 'place'): Lot {
  const raw = object(body, where);
  const { supply, demand } = supplyAndDemand(
    raw['hierarchyElementReference'] ?? {},
    `${where}.hierarchyElementReference`,
  );
  const capacity = supply === UNKNOWN_COUNT ? null : supply;
  const count = demand?.count ?? null;
  return {
    id: text(raw['id'], `${where}.id`),
    name: multilingual(raw['name'], `${where}.name`),
    capacity,
    // In a lot with enough places the value may be a real count.
    occupied: count === UNKNOWN_COUNT && (capacity === null || capacity < UNKNOWN_COUNT) ? null : count,
    measuredAt: demand?.time ?? null,
    specifications: list(raw['rightSpecifications'] ?? [], `${where}.rightSpecifications`).map((specification, i) =>
      reference(specification, `${where}.rightSpecifications[${i}]`),
    ),
  };
}

/** Maps an APDS session. */
export function session(body: unknown, where = 'session'): Session {
  const raw = object(body, where);
  const { vehicle, company } = credentials(raw['identifiedCredentials'], `${where}.identifiedCredentials`);
  // `hierachyElement` is the spelling of the standard; some vendors have corrected it.
  const element = raw['hierachyElement'] ?? raw['hierarchyElement'];
  return {
    id: text(raw['id'], `${where}.id`),
    vehicle,
    lot: element == null ? null : reference(element, `${where}.hierachyElement`).id,
    company,
    enteredAt: time(raw['actualStart'], `${where}.actualStart`),
    exitedAt: raw['actualEnd'] == null ? null : time(raw['actualEnd'], `${where}.actualEnd`),
    fee: fee(list(raw['segments'] ?? [], `${where}.segments`), `${where}.segments`),
  };
}

/** Maps an APDS assigned right with its planned uses. */
export function permit(body: unknown, where = 'assignedRight'): Permit {
  const raw = object(body, where);
  const holder = object(raw['rightHolder'], `${where}.rightHolder`);
  const uses = list(raw['plannedUses'] ?? [], `${where}.plannedUses`).map((value, i) => {
    const at = `${where}.plannedUses[${i}]`;
    const use = object(value, at);
    return {
      from: time(use['startTime'], `${at}.startTime`),
      to: optionalTime(use['expiryTime'] ?? use['endTime'], `${at}.endTime`),
      cancelled: optionalTime(use['cancelTime'], `${at}.cancelTime`) !== null,
    };
  });
  const ends = uses.map((use) => use.to?.getTime() ?? Number.POSITIVE_INFINITY);
  const end = Math.max(...ends);
  return {
    id: text(raw['id'], `${where}.id`),
    ...credentials(holder['credentials'] ?? [], `${where}.rightHolder.credentials`),
    specification: reference(raw['rightSpecification'], `${where}.rightSpecification`).id,
    validFrom:
      uses.length > 0
        ? new Date(Math.min(...uses.map((use) => use.from.getTime())))
        : time(raw['issuanceTime'], `${where}.issuanceTime`),
    validTo: optionalTime(raw['expiry'], `${where}.expiry`) ?? (Number.isFinite(end) ? new Date(end) : null),
    revoked: uses.length > 0 && uses.every((use) => use.cancelled),
  };
}

/** The assigned right to create, under an id of the hub. */
export function assignedRight(id: string, grant: Grant, specification: Reference, now: Date): Raw {
  const issuer = [{ language: 'en', string: 'Isthmus' }];
  const vehicle = {
    type: 'licensePlate',
    identifier: { className: 'VehicleCredential', id: grant.plate },
    issuer,
    plateColour: COLOUR_NAMES.get(grant.colour),
  };
  const customer = { type: 'electronicID', identifier: { className: 'CustomerCredential', id: grant.uscc }, issuer };
  return {
    id,
    version: 1,
    rightHolder: { credentials: grant.uscc === null ? [vehicle] : [vehicle, customer] },
    rightSpecification: { ...specification, className: 'RightSpecification' },
    issuanceTime: now.toISOString(),
    ...(grant.validTo === null ? {} : { expiry: grant.validTo.toISOString() }),
    plannedUses: [
      {
        startTime: grant.validFrom.toISOString(),
        ...(grant.validTo === null ? {} : { endTime: grant.validTo.toISOString() }),
      },
    ],
  };
}

/** The assigned right with all its uses cancelled and everything else unchanged. */
export function cancelled(body: unknown, now: Date, reason: string | null): Raw {
  const raw = object(body, 'assignedRight');
  const { validFrom } = permit(body);
  const uses = list(raw['plannedUses'] ?? [], 'assignedRight.plannedUses') as Raw[];
  const planned = uses.length > 0 ? uses : [{ startTime: validFrom.toISOString() }];
  return {
    ...raw,
    plannedUses: planned.map((use) => ({ ...use, cancelTime: use['cancelTime'] ?? now.toISOString() })),
    ...(reason === null ? {} : { notes: [{ language: 'en', string: reason }] }),
  };
}

/** Maps an APDS observation of a place's occupancy. Impossible counts are kept; the store flags them. */
export function observation(body: unknown, where = 'observation'): Observation {
  const raw = object(body, where);
  const at = `${where}.hierarchyElement`;
  const element = object(raw['hierarchyElement'], at);
  const { supply, demand } = supplyAndDemand(element, at);
  return {
    id: text(raw['id'], `${where}.id`),
    lot: reference(element['elementId'], `${at}.elementId`).id,
    time: time(raw['observationStartTime'], `${where}.observationStartTime`),
    occupied: integer(demand?.count, `${at}.demandTable.demandType.count`),
    capacity: supply === UNKNOWN_COUNT ? null : supply,
  };
}

/** Maps a webhook body: one topic with one or more objects. Topics without a subscription are ignored. */
export function gateEvents(body: unknown): GateEvent[] {
  const raw = object(body, 'event');
  const topic = text(raw['topic'], 'event.topic');
  time(raw['eventTime'], 'event.eventTime');
  return list(raw['data'], 'event.data').flatMap((value, i): GateEvent[] => {
    const where = `event.data[${i}]`;
    switch (topic) {
      case 'SessionCreated':
        return sessionEvents(session(value, where), true);
      case 'SessionUpdated':
        return sessionEvents(session(value, where), false);
      case 'ObservationCreated':
        return [{ kind: 'occupancy', observation: observation(value, where) }];
      case 'ObservationDeleted':
        return [{ kind: 'withdrawn', observation: text(object(value, where)['id'], `${where}.id`) }];
      default:
        return [];
    }
  });
}

/** Events of a session: the entry if `created`, and the exit if it has ended. A session reported late may have both. */
export function sessionEvents(session: Session, created: boolean): GateEvent[] {
  const { enteredAt, exitedAt } = session;
  return [
    ...(created ? [{ kind: 'entered', time: enteredAt, session } as const] : []),
    ...(exitedAt === null ? [] : [{ kind: 'exited', time: exitedAt, session } as const]),
  ];
}

/** The webhook topics to subscribe to: those that `gateEvents` maps. */
export const TOPICS = ['SessionCreated', 'SessionUpdated', 'ObservationCreated', 'ObservationDeleted'];

/** Id and callback address of the vendor's webhook subscription. */
export function subscription(body: unknown): { id: string; endpoint: unknown } {
  const raw = object(body, 'subscription');
  return { id: text(raw['id'], 'subscription.id'), endpoint: raw['endpoint'] };
}

/** Vehicle, company and contract of a credential list. `_无_`, no plate, or a plate without colour: no vehicle. */
function credentials(value: unknown, where: string) {
  let vehicle: VehicleKey | null = null;
  let company: string | null = null;
  let contract: string | null = null;
  list(value, where).forEach((credential, i) => {
    const at = `${where}[${i}]`;
    const raw = object(credential, at);
    const identifier = object(raw['identifier'], `${at}.identifier`);
    const id = text(identifier['id'], `${at}.identifier.id`);
    if (identifier['className'] === 'CustomerCredential') company ??= parseUscc(id);
    else if (identifier['className'] === 'OtherCredential' && raw['type'] === 'permit') contract ??= id;
    else if (identifier['className'] === 'VehicleCredential') vehicle ??= vehicleOf(id, raw['plateColour'], at);
  });
  return { vehicle, company, contract } as {
    vehicle: VehicleKey | null;
    company: string | null;
    contract: string | null;
  };
}

function vehicleOf(id: string, colourName: unknown, where: string): VehicleKey | null {
  const plate = parsePlate(id);
  if (plate === null || colourName == null) return null;
  const colour = COLOURS[text(colourName, `${where}.plateColour`)];
  if (colour === undefined) throw malformed(`${where}.plateColour is unknown`);
  return { plate, colour };
}

/** The supply and the newest measured demand of an element; null if there is none. */
function supplyAndDemand(value: unknown, where: string) {
  const raw = object(value, where);
  const supply = list(raw['supply'] ?? [], `${where}.supply`)[0];
  const counts = list(raw['demandTable'] ?? [], `${where}.demandTable`)
    .flatMap((table, i) => list(object(table, `${where}.demandTable[${i}]`)['demandType'] ?? [], `${where}.demandType`))
    .map((demand) => object(demand, `${where}.demandType`))
    .filter((demand) => demand['count'] != null && MEASURED.includes(demand['occupancyCalculation']))
    .map((demand) => ({
      count: integer(demand['count'], `${where}.demandType.count`),
      time: time(demand['recordDateTime'], `${where}.demandType.recordDateTime`),
    }));
  return {
    supply:
      supply === undefined
        ? null
        : integer(object(supply, `${where}.supply`)['supplyQuantity'], `${where}.supplyQuantity`),
    demand: counts.sort((a, b) => b.time.getTime() - a.time.getTime())[0] ?? null,
  };
}

/** Sum paid over all segments; null if nothing was paid. Summed in ten-thousandths, which a JavaScript number holds exactly. */
function fee(segments: readonly unknown[], where: string): Money | null {
  const paid = segments.flatMap((segment, i) => {
    const at = `${where}[${i}].financialTransactions`;
    return list(object(segment, `${where}[${i}]`)['financialTransactions'] ?? [], at).map((transaction) => {
      const value = object(object(transaction, at)['value'], `${at}.value`);
      const amount = value['currencyValue'];
      const scaled = typeof amount === 'number' ? Math.round(amount * 10_000) : Number.NaN;
      if (!Number.isSafeInteger(scaled)) throw malformed(`${at}.value.currencyValue is not an amount`);
      return { scaled, currency: text(value['currencyType'], `${at}.value.currencyType`) };
    });
  });
  const first = paid[0];
  if (!first) return null;
  if (paid.some(({ currency }) => currency !== first.currency)) throw malformed(`${where} has several currencies`);
  const sum = paid.reduce((total, { scaled }) => total + scaled, 0);
  const digits = String(Math.abs(sum)).padStart(5, '0');
  const value = `${sum < 0 ? '-' : ''}${digits.slice(0, -4)}.${digits.slice(-4).replace(/0{1,2}$/, '')}`;
  return { value, currency: first.currency };
}
