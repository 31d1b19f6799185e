/** The vendor's APDS records to our model; pure, and owner of the vendor's words. */
import { malformed } from '../kit/errors.ts';
import { parsePlate, parseUscc } from '../kit/identifiers.ts';
import type {
  GateEvent,
  Lot,
  Money,
  Observation,
  Permit,
  PlateColour,
  Session,
  VehicleKey,
  VendorPage,
} from './model.ts';

type Raw = Readonly<Record<string, unknown>>;

/** Contract lots and dead counters answer with this figure instead of the truth. */
const UNKNOWN = 9999;

const COLOURS: Readonly<Record<string, PlateColour>> = {
  blue: 'BLUE',
  yellow: 'YELLOW',
  green: 'GREEN',
  'yellow-green': 'YELLOW_GREEN',
  white: 'WHITE',
  black: 'BLACK',
};
const WORDS = new Map(Object.entries(COLOURS).map(([theirs, ours]) => [ours, theirs]));

/** Our colour in the vendor's word. */
export const colourWord = (colour: PlateColour): string => WORDS.get(colour) ?? 'blue';

/** An APDS list answer. */
export function page<T>(body: unknown, item: (raw: unknown, where: string) => T): VendorPage<T> {
  const raw = object(body, 'answer');
  const { data, meta, deletedReferences } = raw;
  if (!Array.isArray(data)) throw malformed('data is no list');
  return {
    items: data.map((one, i) => item(one, `data[${i}]`)),
    total: whole(object(meta, 'meta')['total'], 'meta.total'),
    deleted: Array.isArray(deletedReferences)
      ? deletedReferences.map((one, i) => text(object(one, `deletedReferences[${i}]`)['id'], 'id'))
      : [],
  };
}

/** An APDS place with its supply and its measured occupancy. */
export function lot(body: unknown, where = 'place'): Lot {
  const raw = object(body, where);
  const supply = raw['supplyQuantity'] == null ? null : whole(raw['supplyQuantity'], `${where}.supplyQuantity`);
  const occupancy = raw['occupancy'] == null ? null : object(raw['occupancy'], `${where}.occupancy`);
  const count = occupancy ? whole(occupancy['count'], `${where}.occupancy.count`) : null;
  const capacity = supply === UNKNOWN ? null : supply;
  return {
    id: text(raw['id'], `${where}.id`),
    name: multilingual(raw['name'], `${where}.name`),
    capacity,
    // The sentinel stands for "not known" only where the supply is it too, or the figure cannot be.
    occupied: count === UNKNOWN && (capacity === null || capacity < UNKNOWN) ? null : count,
    measuredAt: occupancy ? time(occupancy['instant'], `${where}.occupancy.instant`) : null,
  };
}

/** An APDS session. */
export function session(body: unknown, where = 'session'): Session {
  const raw = object(body, where);
  return {
    id: text(raw['id'], `${where}.id`),
    vehicle: vehicle(raw, where),
    lot: text(object(raw['hierarchyElement'], `${where}.hierarchyElement`)['id'], `${where}.hierarchyElement.id`),
    company: holder(raw['rightHolder'], `${where}.rightHolder`).company,
    enteredAt: time(raw['actualStart'], `${where}.actualStart`),
    exitedAt: raw['actualEnd'] == null ? null : time(raw['actualEnd'], `${where}.actualEnd`),
    fee: money(raw['amountPaid'], `${where}.amountPaid`),
  };
}

/** An APDS assigned right. */
export function permit(body: unknown, where = 'assignedRight'): Permit {
  const raw = object(body, where);
  const { company, contract } = holder(raw['rightHolder'], `${where}.rightHolder`);
  return {
    id: text(raw['id'], `${where}.id`),
    vehicle: vehicle(raw, where),
    lot: text(object(raw['hierarchyElement'], `${where}.hierarchyElement`)['id'], `${where}.hierarchyElement.id`),
    company,
    contract,
    validFrom: time(raw['validityStart'], `${where}.validityStart`),
    validTo: raw['validityEnd'] == null ? null : time(raw['validityEnd'], `${where}.validityEnd`),
    revoked: raw['rightStatus'] === 'revoked',
  };
}

/** An APDS observation of a place's occupancy. Impossible figures are kept: the store flags them. */
export function observation(body: unknown, where = 'observation'): Observation {
  const raw = object(body, where);
  return {
    id: text(raw['id'], `${where}.id`),
    lot: text(object(raw['observedElement'], `${where}.observedElement`)['id'], `${where}.observedElement.id`),
    time: time(raw['observationDateTime'], `${where}.observationDateTime`),
    occupied: whole(raw['occupancyCount'], `${where}.occupancyCount`),
    capacity: raw['supplyQuantity'] == null ? null : whole(raw['supplyQuantity'], `${where}.supplyQuantity`),
  };
}

/** A webhook's body. Kinds that we do not know are taken and left alone: the vendor adds some now and then. */
export function gateEvent(body: unknown): GateEvent {
  const raw = object(body, 'event');
  const id = text(raw['eventId'], 'event.eventId');
  const kind = text(raw['eventType'], 'event.eventType');
  if (kind === 'session.started') {
    const one = session(raw['object'], 'event.object');
    return { kind: 'entered', id, time: one.enteredAt, session: one };
  }
  if (kind === 'session.ended') {
    const one = session(raw['object'], 'event.object');
    return {
      kind: 'exited',
      id,
      time: one.exitedAt ?? time(raw['eventDateTime'], 'event.eventDateTime'),
      session: one,
    };
  }
  if (kind === 'observation.created') {
    const one = observation(raw['object'], 'event.object');
    return { kind: 'occupancy', id, time: one.time, observation: one };
  }
  return { kind: 'other', id };
}

/** `_无_` or nothing: no plate was read. */
function vehicle(raw: Raw, where: string): VehicleKey | null {
  const credentials = raw['identifiedCredentials'] ?? raw['credentials'];
  if (!Array.isArray(credentials)) throw malformed(`${where}.identifiedCredentials is no list`);
  const plateCredential = credentials.map((one) => one as Raw).find((one) => one['type'] === 'licensePlate');
  if (!plateCredential) return null;
  const plate = parsePlate(text(plateCredential['identifier'], `${where}.identifier`));
  const colour = COLOURS[String(plateCredential['plateColour'] ?? 'blue')];
  if (colour === undefined) throw malformed(`${where}.plateColour is not known`);
  return plate === null ? null : { plate, colour };
}

function holder(value: unknown, where: string): { company: string | null; contract: string | null } {
  if (value == null) return { company: null, contract: null };
  const raw = object(value, where);
  const code = raw['creditCode'];
  return {
    company: typeof code === 'string' ? parseUscc(code) : null,
    contract: typeof raw['contractNumber'] === 'string' ? raw['contractNumber'] : null,
  };
}

function money(value: unknown, where: string): Money | null {
  if (value == null) return null;
  const raw = object(value, where);
  const amount = text(raw['value'], `${where}.value`);
  if (!/^-?\d+(\.\d+)?$/.test(amount)) throw malformed(`${where}.value is no amount`);
  return { value: amount, currency: text(raw['currency'], `${where}.currency`) };
}

function multilingual(value: unknown, where: string): string {
  if (!Array.isArray(value)) throw malformed(`${where} is no list`);
  const first = value.map((one) => one as Raw).find((one) => typeof one['string'] === 'string');
  return text(first?.['string'], where);
}

function object(value: unknown, where: string): Raw {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${where} is no object`);
  return value as Raw;
}

function text(value: unknown, where: string): string {
  if (typeof value !== 'string' || value === '') throw malformed(`${where} is no text`);
  return value;
}

function whole(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw malformed(`${where} is no whole number`);
  return value;
}

function time(value: unknown, where: string): Date {
  const made = typeof value === 'string' && /(Z|[+-]\d\d:\d\d)$/.test(value) ? new Date(value) : null;
  if (made === null || Number.isNaN(made.getTime())) throw malformed(`${where} is no time with its zone`);
  return made;
}

/** An answer to a question about several holders: a page for each, by credit code. */
export function groups<T>(body: unknown, item: (raw: unknown, where: string) => T): Map<string, VendorPage<T>> {
  const { groups: all } = object(body, 'answer');
  if (!Array.isArray(all)) throw malformed('groups is no list');
  return new Map(
    all.map((one, i) => {
      const raw = object(one, `groups[${i}]`);
      return [text(raw['holder'], `groups[${i}].holder`), page(raw, item)];
    }),
  );
}
