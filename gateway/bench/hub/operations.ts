/** The operations of `isthmus bench --hub`, as request bodies. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../../sources/schema-snapshots.ts';

/** Text of an operation of the explorer. */
const explorerOperation = (name: string): string =>
  readFileSync(join(packageFolder(), 'gateway', 'explorer', 'operations', `${name}.graphql`), 'utf8');

export const OPERATION_NAMES = ['Companies', 'Company360'] as const;
export type OperationName = (typeof OPERATION_NAMES)[number];

export interface GraphqlRequest {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** The last 24 hours and the current one, by the hour. */
export function lastDay(now: Date): { readonly from: string; readonly to: string } {
  return {
    from: new Date(now.getTime() - 86_400_000).toISOString(),
    to: new Date(now.getTime() + 3_600_000).toISOString(),
  };
}

/** Requests of each operation: Companies with several page sizes, Company360 for each company. */
export function requestsOf(companies: readonly string[], now: Date): Readonly<Record<OperationName, GraphqlRequest[]>> {
  const day = lastDay(now);
  const list = explorerOperation('Companies');
  const detail = explorerOperation('Company360');
  return {
    Companies: [{ query: list, variables: { first: 10 } }],
    Company360: companies.map((uscc) => ({ query: detail, variables: { uscc, ...day } })),
  };
}

/** Energy of a park and of a company, over the twelve months of the year before `now`. */
export function yearByMonth(now: Date, park: string, company: string): Readonly<Record<string, GraphqlRequest>> {
  const to = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1, -8));
  const from = new Date(Date.UTC(now.getUTCFullYear() - 1, now.getUTCMonth(), 1, -8));
  const energy = 'energy(from: $from, to: $to, bucket: MONTH) { total { value unit } buckets { start value quality } }';
  const head = (type: string) => `($id: ${type}!, $from: DateTime!, $to: DateTime!)`;
  const range = { from: from.toISOString(), to: to.toISOString() };
  return {
    park: { query: `query ParkYear${head('ID')} { park(id: $id) { ${energy} } }`, variables: { id: park, ...range } },
    company: {
      query: `query CompanyYear${head('USCC')} { company(uscc: $id) { ${energy} } }`,
      variables: { id: company, ...range },
    },
  };
}

/** Sends a request and resolves with the response. Rejects unless it has data and no errors. */
export async function ask(
  port: number,
  request: GraphqlRequest,
  headers: Readonly<Record<string, string>>,
): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(request),
  });
  const text = await response.text();
  const body = JSON.parse(text) as { data?: unknown; errors?: unknown };
  if (!response.ok || body.errors !== undefined || !body.data)
    throw new Error(`Port ${port} answered ${response.status}: ${text.slice(0, 1_000)}`);
  return body;
}
