/** The vendor's APDS records to our model; pure, and owner of the vendor's words. */
import { malformed } from '../../kit/errors.ts';
import { parsePlate, parseUscc } from '../../kit/identifiers.ts';
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
import { list, multilingual, object, optionalTime, type Raw, reference, text, time, whole } from './checks.ts';

export * from './expected.ts';
export * from './lists.ts';

/** Contract lots and dead counters answer with this figure instead of the truth. */
const UNKNOWN = 9999;
/** Ways of counting that measure; the others (`derived`, `expected`) are calculations. */
const MEASURED: readonly unknown[] = [undefined, null, 'counted', 'verified'];

const COLOURS: Readonly<Record<string, PlateColour>> = {
  blue: 'BLUE',
  yellow: 'YELLOW',
  green: 'GREEN',
  'yellow-green': 'YELLOW_GREEN',
  white: 'WHITE',
  black: 'BLACK',
};
const WORDS = new Map(Object.entries(COLOURS).map(([theirs, ours]) => [ours, theirs]));

/** Instants are asked for in whole seconds since the epoch: the second that `time` lies in. */
export const secondOf = (time: Date): number => Math.floor(time.getTime() / 1000);
/** The first whole second that is not before `time`. */
export const secondFrom = (time: Date): number => Math.ceil(time.getTime() / 1000);

/** An APDS place with its supply, its measured occupancy and the rights that are granted for it. */
export function lot(body: unknown, where = 'place'): Lot {
  const raw = object(body, where);
  const { supply, demand } = supplyAndDemand(
    raw['hierarchyElementReference'] ?? {},
    `${where}.hierarchyElementReference`,
  );
  const capacity = supply === UNKNOWN ? null : supply;
  const count = demand?.count ?? null;
  return {
    id: text(raw['id'], `${where}.id`),
    name: multilingual(raw['name'], `${where}.name`),
    capacity,
    // The figure stands for "not known" only where it cannot be a count.
    occupied: count === UNKNOWN && (capacity === null || capacity < UNKNOWN) ? null : count,
    measuredAt: demand?.time ?? null,
    specifications: list(raw['rightSpecifications'] ?? [], `${where}.rightSpecifications`).map((one, i) =>
      reference(one, `${where}.rightSpecifications[${i}]`),
    ),
  };
}

/** An APDS session. */
export function session(body: unknown, where = 'session'): Session {
  const raw = object(body, where);
  const { vehicle, company } = credentials(raw['identifiedCredentials'], `${where}.identifiedCredentials`);
  // The standard spells it so; some vendors have mended it.
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

/** An APDS assigned right, with its planned uses. */
export function permit(body: unknown, where = 'assignedRight'): Permit {
  const raw = object(body, where);
  const holder = object(raw['rightHolder'], `${where}.rightHolder`);
  const uses = list(raw['plannedUses'] ?? [], `${where}.plannedUses`).map((one, i) => {
    const at = `${where}.plannedUses[${i}]`;
    const use = object(one, at);
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

/** The assigned right that we ask the vendor to create, under our own id. */
export function assignedRight(id: string, grant: Grant, specification: Reference, now: Date): Raw {
  const issuer = [{ language: 'en', string: 'Isthmus' }];
  const vehicle = {
    type: 'licensePlate',
    identifier: { className: 'VehicleCredential', id: grant.plate },
    issuer,
    plateColour: WORDS.get(grant.colour),
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

/** The same assigned right with all its uses cancelled; the rest goes back as it came. */
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

/** An APDS observation of a place's occupancy. Impossible figures are kept: the store flags them. */
export function observation(body: unknown, where = 'observation'): Observation {
  const raw = object(body, where);
  const at = `${where}.hierarchyElement`;
  const element = object(raw['hierarchyElement'], at);
  const { supply, demand } = supplyAndDemand(element, at);
  return {
    id: text(raw['id'], `${where}.id`),
    lot: reference(element['elementId'], `${at}.elementId`).id,
    time: time(raw['observationStartTime'], `${where}.observationStartTime`),
    occupied: whole(demand?.count, `${at}.demandTable.demandType.count`),
    capacity: supply === UNKNOWN ? null : supply,
  };
}

/** A webhook's body: one topic, one or several objects. Topics that we did not ask for are taken and left alone. */
export function gateEvents(body: unknown): GateEvent[] {
  const raw = object(body, 'event');
  const topic = text(raw['topic'], 'event.topic');
  time(raw['eventTime'], 'event.eventTime');
  return list(raw['data'], 'event.data').flatMap((one, i): GateEvent[] => {
    const where = `event.data[${i}]`;
    switch (topic) {
      case 'SessionCreated':
        return gateEventsOf(session(one, where), true);
      case 'SessionUpdated':
        return gateEventsOf(session(one, where), false);
      case 'ObservationCreated':
        return [{ kind: 'occupancy', observation: observation(one, where) }];
      case 'ObservationDeleted':
        return [{ kind: 'withdrawn', observation: text(object(one, where)['id'], `${where}.id`) }];
      default:
        return [];
    }
  });
}

/** What a session tells: that it began (`created`), and that it is over; a session that comes late may tell both. */
export function gateEventsOf(one: Session, created: boolean): GateEvent[] {
  const { enteredAt, exitedAt } = one;
  return [
    ...(created ? [{ kind: 'entered', time: enteredAt, session: one } as const] : []),
    ...(exitedAt === null ? [] : [{ kind: 'exited', time: exitedAt, session: one } as const]),
  ];
}

/** The topics that `gateEvents` reads. */
export const TOPICS = ['SessionCreated', 'SessionUpdated', 'ObservationCreated', 'ObservationDeleted'];

/** Id of the subscription that the vendor has made, and where it calls. */
export function subscription(body: unknown): { id: string; endpoint: unknown } {
  const raw = object(body, 'subscription');
  return { id: text(raw['id'], 'subscription.id'), endpoint: raw['endpoint'] };
}

/** `_无_`, nothing, or a plate without its colour: no certain vehicle. */
function credentials(value: unknown, where: string) {
  let vehicle: VehicleKey | null = null;
  let company: string | null = null;
  let contract: string | null = null;
  list(value, where).forEach((one, i) => {
    const at = `${where}[${i}]`;
    const raw = object(one, at);
    const identifier = object(raw['identifier'], `${at}.identifier`);
    const id = text(identifier['id'], `${at}.identifier.id`);
    if (identifier['className'] === 'CustomerCredential') company ??= parseUscc(id);
    else if (identifier['className'] === 'OtherCredential' && raw['type'] === 'permit') contract ??= id;
    else if (identifier['className'] === 'VehicleCredential') vehicle ??= plateOf(id, raw['plateColour'], at);
  });
  return { vehicle, company, contract } as {
    vehicle: VehicleKey | null;
    company: string | null;
    contract: string | null;
  };
}

function plateOf(id: string, word: unknown, where: string): VehicleKey | null {
  const plate = parsePlate(id);
  if (plate === null || word == null) return null;
  const colour = COLOURS[text(word, `${where}.plateColour`)];
  if (colour === undefined) throw malformed(`${where}.plateColour is not known`);
  return { plate, colour };
}

/** The newest supply and the newest measured demand of an element; null where there is none. */
function supplyAndDemand(value: unknown, where: string) {
  const raw = object(value, where);
  const supply = list(raw['supply'] ?? [], `${where}.supply`)[0];
  const counts = list(raw['demandTable'] ?? [], `${where}.demandTable`)
    .flatMap((one, i) => list(object(one, `${where}.demandTable[${i}]`)['demandType'] ?? [], `${where}.demandType`))
    .map((one) => object(one, `${where}.demandType`))
    .filter((one) => one['count'] != null && MEASURED.includes(one['occupancyCalculation']))
    .map((one) => ({
      count: whole(one['count'], `${where}.demandType.count`),
      time: time(one['recordDateTime'], `${where}.demandType.recordDateTime`),
    }));
  return {
    supply:
      supply === undefined
        ? null
        : whole(object(supply, `${where}.supply`)['supplyQuantity'], `${where}.supplyQuantity`),
    demand: counts.sort((a, b) => b.time.getTime() - a.time.getTime())[0] ?? null,
  };
}

/** What was paid over all segments; null when nothing was. Summed in ten-thousandths, which JSON numbers hold exactly. */
function fee(segments: readonly unknown[], where: string): Money | null {
  const paid = segments.flatMap((one, i) => {
    const at = `${where}[${i}].financialTransactions`;
    return list(object(one, `${where}[${i}]`)['financialTransactions'] ?? [], at).map((each) => {
      const value = object(object(each, at)['value'], `${at}.value`);
      const amount = value['currencyValue'];
      const scaled = typeof amount === 'number' ? Math.round(amount * 10_000) : Number.NaN;
      if (!Number.isSafeInteger(scaled)) throw malformed(`${at}.value.currencyValue is no amount`);
      return { scaled, currency: text(value['currencyType'], `${at}.value.currencyType`) };
    });
  });
  const first = paid[0];
  if (!first) return null;
  if (paid.some((one) => one.currency !== first.currency)) throw malformed(`${where} is paid in several currencies`);
  const sum = paid.reduce((all, one) => all + one.scaled, 0);
  const digits = String(Math.abs(sum)).padStart(5, '0');
  const value = `${sum < 0 ? '-' : ''}${digits.slice(0, -4)}.${digits.slice(-4).replace(/0{1,2}$/, '')}`;
  return { value, currency: first.currency };
}
