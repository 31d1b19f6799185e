/**
 * What a careful programmer would write for exactly these three questions: no planner, no graph, but the same admission (known
 * texts, checked variables, a deadline, the client's going away) and the same faults (one error at the place of the null).
 */
import { buildingOf, companiesFrom, companyOf, personOf, QUERIES } from './workload.ts';

interface Fault {
  readonly message: string;
  readonly path: readonly (string | number)[];
  readonly extensions: { readonly code: string };
}
interface Asked {
  readonly deadline: number;
  /** Whether the client has gone. */
  readonly signal: { readonly aborted: boolean };
  readonly errors: Fault[];
}
type Company = NonNullable<ReturnType<typeof companyOf>>;
type Path = readonly (string | number)[];

class Refused extends Error {}

/** One question to a source: within the time, or an error at the place. */
function ask<T>(asked: Asked, path: Path, question: () => T | undefined): T | null {
  if (Date.now() > asked.deadline || asked.signal.aborted) {
    asked.errors.push({ message: 'The source did not answer in time.', path, extensions: { code: 'SOURCE_TIMEOUT' } });
    return null;
  }
  try {
    return question() ?? null;
  } catch {
    asked.errors.push({
      message: 'The source cannot be reached at the moment.',
      path,
      extensions: { code: 'SOURCE_UNAVAILABLE' },
    });
    return null;
  }
}

/** A value that the graph promises; null climbs from here. */
function must<T>(asked: Asked, path: Path, value: T | null | undefined): T {
  if (value !== null && value !== undefined) return value;
  if (asked.errors.length === 0)
    asked.errors.push({ message: 'A source gave null.', path, extensions: { code: 'SOURCE_MALFORMED' } });
  throw new Refused();
}

const person = (asked: Asked, path: Path, id: string) =>
  must(
    asked,
    path,
    ask(asked, path, () => personOf(id)),
  );
const building = (asked: Asked, path: Path, id: string) =>
  must(
    asked,
    path,
    ask(asked, path, () => buildingOf(id)),
  );

const meter = (asked: Asked, path: Path, one: Company['meters'][number]) => {
  const house = building(asked, path, one.building.id);
  return {
    id: one.id,
    serial: one.serial,
    kind: one.kind,
    lastReading: one.lastReading,
    readings: one.readings.slice(0, 2).map(({ at, value }) => ({ at, value })),
    building: { id: house.id, name: house.name },
  };
};

function full(asked: Asked, one: Company) {
  const path = ['company'];
  const representative = person(asked, path, one.legalRep.id);
  const house = building(asked, path, one.building.id);
  const parked = must(
    asked,
    path,
    ask(asked, path, () => companyOf(one.id)),
  );
  const taxed = must(
    asked,
    path,
    ask(asked, path, () => companyOf(one.id)),
  );
  const metered = must(
    asked,
    path,
    ask(asked, path, () => companyOf(one.id)),
  );
  return {
    id: one.id,
    name: one.name,
    taxCode: one.taxCode,
    status: one.status,
    capital: one.capital,
    legalRep: {
      id: representative.id,
      fullName: representative.fullName,
      badge: { number: representative.badge.number, level: representative.badge.level },
    },
    building: {
      id: house.id,
      name: house.name,
      occupancy: house.occupancy,
      gates: house.gates.map(({ name, state }) => ({ name, state })),
    },
    vehicles: parked.vehicles.map(({ id, plate, model, spot, driver }) => {
      const { id: holder, fullName } = person(asked, path, driver.id);
      return { id, plate, model, spot, driver: { id: holder, fullName } };
    }),
    taxStatus: taxed.taxStatus,
    taxDebt: taxed.taxDebt,
    filings: taxed.filings.slice(0, 4).map(({ period, amount, status }) => ({ period, amount, status })),
    energyCost: metered.energyCost,
    meters: metered.meters.map((each) => meter(asked, path, each)),
  };
}

function item(asked: Asked, one: Company, index: number) {
  const path = ['companies', index];
  const house = building(asked, path, one.building.id);
  const parked = must(
    asked,
    path,
    ask(asked, path, () => companyOf(one.id)),
  );
  const taxed = must(
    asked,
    path,
    ask(asked, path, () => companyOf(one.id)),
  );
  const metered = must(
    asked,
    path,
    ask(asked, path, () => companyOf(one.id)),
  );
  return {
    id: one.id,
    name: one.name,
    taxCode: one.taxCode,
    building: { id: house.id, name: house.name },
    vehicles: parked.vehicles.map(({ id, plate, model, driver }) => {
      const { id: holder, fullName } = person(asked, path, driver.id);
      return { id, plate, model, driver: { id: holder, fullName } };
    }),
    taxStatus: taxed.taxStatus,
    filings: taxed.filings.slice(0, 2).map(({ period, amount }) => ({ period, amount })),
    meters: metered.meters.map((each) => meter(asked, path, each)),
  };
}

type Variables = Readonly<Record<string, unknown>>;
const text = (value: unknown): string => {
  if (typeof value === 'string' || Number.isInteger(value)) return String(value);
  throw new Refused('A variable is not of its type.');
};
const whole = (value: unknown): number => {
  if (Number.isInteger(value)) return value as number;
  throw new Refused('A variable is not of its type.');
};

const plans = new Map<string, (asked: Asked, variables: Variables) => unknown>([
  [
    QUERIES.Q1,
    (asked, variables) => {
      const one = ask(asked, ['company'], () => companyOf(text(variables['id'])));
      return { company: one && { id: one.id, name: one.name, taxCode: one.taxCode, status: one.status } };
    },
  ],
  [
    QUERIES.Q2,
    (asked, variables) => {
      const one = ask(asked, ['company'], () => companyOf(text(variables['id'])));
      return { company: one && full(asked, one) };
    },
  ],
  [
    QUERIES.Q3,
    (asked, variables) => {
      const offset = variables['offset'] === undefined ? 0 : whole(variables['offset']);
      const page = ask(asked, ['companies'], () => companiesFrom(offset, whole(variables['first'])));
      return { companies: must(asked, ['companies'], page).map((one, i) => item(asked, one, i)) };
    },
  ],
]);

/** The body of the answer to the body of a request. */
export function answer(body: string, signal: Asked['signal']): string {
  const { query, variables = {} } = JSON.parse(body) as { query: string; variables?: Variables };
  const plan = plans.get(query);
  if (!plan) return '{"errors":[{"message":"This text is not admitted."}]}';
  const asked: Asked = { deadline: Date.now() + 3_000, signal, errors: [] };
  let data: unknown = null;
  try {
    data = plan(asked, variables);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.message) return JSON.stringify({ errors: [{ message: error.message }] });
  }
  return JSON.stringify(asked.errors.length > 0 ? { data, errors: asked.errors } : { data });
}
