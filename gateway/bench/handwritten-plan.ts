/**
 * The baseline: what a careful programmer would write for exactly these three operations. It has no planner and no schema, but the same
 * admission (known texts, checked variables, a deadline, the client's disconnect) and the same errors (one at the path of each null).
 */
import { buildingOf, companiesFrom, companyOf, personOf, QUERIES } from './workload.ts';

interface PlanError {
  readonly message: string;
  readonly path: readonly (string | number)[];
  readonly extensions: { readonly code: string };
}
interface Execution {
  readonly deadline: number;
  /** Aborted when the client has disconnected. */
  readonly signal: { readonly aborted: boolean };
  readonly errors: PlanError[];
}
type Company = NonNullable<ReturnType<typeof companyOf>>;
type Path = readonly (string | number)[];

/** Ends the execution: a variable is invalid (with a message), or a null propagates to the root (without). */
class ExecutionEnded extends Error {}

/** Reads from a source; null with an error at the path when the deadline has passed or the source fails. */
function readSource<T>(execution: Execution, path: Path, read: () => T | undefined): T | null {
  if (Date.now() > execution.deadline || execution.signal.aborted) {
    execution.errors.push({ message: 'Source did not respond in time.', path, extensions: { code: 'SOURCE_TIMEOUT' } });
    return null;
  }
  try {
    return read() ?? null;
  } catch {
    execution.errors.push({
      message: 'Source is unavailable.',
      path,
      extensions: { code: 'SOURCE_UNAVAILABLE' },
    });
    return null;
  }
}

/** The value of a non-null field. Throws if it is null: the null propagates. */
function nonNull<T>(execution: Execution, path: Path, value: T | null | undefined): T {
  if (value !== null && value !== undefined) return value;
  if (execution.errors.length === 0)
    execution.errors.push({
      message: 'Source returned null for a non-null field.',
      path,
      extensions: { code: 'SOURCE_MALFORMED' },
    });
  throw new ExecutionEnded();
}

const person = (execution: Execution, path: Path, id: string) =>
  nonNull(
    execution,
    path,
    readSource(execution, path, () => personOf(id)),
  );
const building = (execution: Execution, path: Path, id: string) =>
  nonNull(
    execution,
    path,
    readSource(execution, path, () => buildingOf(id)),
  );

const meter = (execution: Execution, path: Path, source: Company['meters'][number]) => {
  const site = building(execution, path, source.building.id);
  return {
    id: source.id,
    serial: source.serial,
    kind: source.kind,
    lastReading: source.lastReading,
    readings: source.readings.slice(0, 2).map(({ at, value }) => ({ at, value })),
    building: { id: site.id, name: site.name },
  };
};

function companyDetails(execution: Execution, company: Company) {
  const path = ['company'];
  const representative = person(execution, path, company.legalRep.id);
  const site = building(execution, path, company.building.id);
  const parking = nonNull(
    execution,
    path,
    readSource(execution, path, () => companyOf(company.id)),
  );
  const tax = nonNull(
    execution,
    path,
    readSource(execution, path, () => companyOf(company.id)),
  );
  const energy = nonNull(
    execution,
    path,
    readSource(execution, path, () => companyOf(company.id)),
  );
  return {
    id: company.id,
    name: company.name,
    taxCode: company.taxCode,
    status: company.status,
    capital: company.capital,
    legalRep: {
      id: representative.id,
      fullName: representative.fullName,
      badge: { number: representative.badge.number, level: representative.badge.level },
    },
    building: {
      id: site.id,
      name: site.name,
      occupancy: site.occupancy,
      gates: site.gates.map(({ name, state }) => ({ name, state })),
    },
    vehicles: parking.vehicles.map(({ id, plate, model, spot, driver }) => {
      const { id: holder, fullName } = person(execution, path, driver.id);
      return { id, plate, model, spot, driver: { id: holder, fullName } };
    }),
    taxStatus: tax.taxStatus,
    taxDebt: tax.taxDebt,
    filings: tax.filings.slice(0, 4).map(({ period, amount, status }) => ({ period, amount, status })),
    energyCost: energy.energyCost,
    meters: energy.meters.map((source) => meter(execution, path, source)),
  };
}

function companySummary(execution: Execution, company: Company, index: number) {
  const path = ['companies', index];
  const site = building(execution, path, company.building.id);
  const parking = nonNull(
    execution,
    path,
    readSource(execution, path, () => companyOf(company.id)),
  );
  const tax = nonNull(
    execution,
    path,
    readSource(execution, path, () => companyOf(company.id)),
  );
  const energy = nonNull(
    execution,
    path,
    readSource(execution, path, () => companyOf(company.id)),
  );
  return {
    id: company.id,
    name: company.name,
    taxCode: company.taxCode,
    building: { id: site.id, name: site.name },
    vehicles: parking.vehicles.map(({ id, plate, model, driver }) => {
      const { id: holder, fullName } = person(execution, path, driver.id);
      return { id, plate, model, driver: { id: holder, fullName } };
    }),
    taxStatus: tax.taxStatus,
    filings: tax.filings.slice(0, 2).map(({ period, amount }) => ({ period, amount })),
    meters: energy.meters.map((source) => meter(execution, path, source)),
  };
}

type Variables = Readonly<Record<string, unknown>>;
const stringVariable = (value: unknown): string => {
  if (typeof value === 'string' || Number.isInteger(value)) return String(value);
  throw new ExecutionEnded('Variable has the wrong type.');
};
const integerVariable = (value: unknown): number => {
  if (Number.isInteger(value)) return value as number;
  throw new ExecutionEnded('Variable has the wrong type.');
};

const plans = new Map<string, (execution: Execution, variables: Variables) => unknown>([
  [
    QUERIES.Q1,
    (execution, variables) => {
      const company = readSource(execution, ['company'], () => companyOf(stringVariable(variables['id'])));
      return {
        company: company && { id: company.id, name: company.name, taxCode: company.taxCode, status: company.status },
      };
    },
  ],
  [
    QUERIES.Q2,
    (execution, variables) => {
      const company = readSource(execution, ['company'], () => companyOf(stringVariable(variables['id'])));
      return { company: company && companyDetails(execution, company) };
    },
  ],
  [
    QUERIES.Q3,
    (execution, variables) => {
      const offset = variables['offset'] === undefined ? 0 : integerVariable(variables['offset']);
      const page = readSource(execution, ['companies'], () =>
        companiesFrom(offset, integerVariable(variables['first'])),
      );
      return {
        companies: nonNull(execution, ['companies'], page).map((company, i) => companySummary(execution, company, i)),
      };
    },
  ],
]);

/** The response body for a request body. */
export function handwrittenResponse(body: string, signal: Execution['signal']): string {
  const { query, variables = {} } = JSON.parse(body) as { query: string; variables?: Variables };
  const plan = plans.get(query);
  if (!plan) return '{"errors":[{"message":"Unknown operation."}]}';
  const execution: Execution = { deadline: Date.now() + 3_000, signal, errors: [] };
  let data: unknown = null;
  try {
    data = plan(execution, variables);
  } catch (error) {
    if (!(error instanceof ExecutionEnded)) throw error;
    if (error.message) return JSON.stringify({ errors: [{ message: error.message }] });
  }
  return JSON.stringify(execution.errors.length > 0 ? { data, errors: execution.errors } : { data });
}
