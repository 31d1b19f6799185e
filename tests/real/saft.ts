/** The Portuguese tax office's own SAF-T demonstration file on a drop, and the question whether the hub says what its header says. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { HUB_PRINCIPAL } from '../../connectors/kit/auth/principal.ts';
import { hubCall } from '../../connectors/kit/host/services.ts';
import { freshDatabase } from '../../connectors/kit/testing/test-database.ts';
import { raiseIsland } from '../../connectors/kit/testing/test-installation.ts';
import tax from '../../connectors/tax/index.ts';
import { isHere, realPath } from './data.ts';

const FOLDER = realPath('tax/saft-pt');
const VALID = 'saft_idemo599999999.xml';
/** Known of the file: its own header, and SOURCES.md beside it. */
export const INVOICES = 24;
export const DEBIT = '2201.7838';
export const CREDIT = '14918.709';
/** Credit with the cancelled invoices, as a careless reader has it. */
const WRONG_CREDIT = '19325.5056';
export const ISSUER = '599999993';
/** The park's own code for it; Portuguese numbers are no credit codes. */
export const COMPANY = '91500112000060409P';

export const haveData = (): boolean => isHere(join(FOLDER, VALID));

export const validFile = (): Buffer => readFileSync(join(FOLDER, VALID));
/** Name and bytes of the broken twins. */
export const twins = (): Map<string, Buffer> =>
  new Map(readdirSync(join(FOLDER, 'invalid')).map((name) => [name, readFileSync(join(FOLDER, 'invalid', name))]));

/** Decimals as whole numbers of a ten-thousandth. */
export function units(text: string): bigint {
  const [whole = '', part = ''] = text.replace('-', '').split('.');
  const size = BigInt(whole) * 10_000n + BigInt(part.padEnd(4, '0').slice(0, 4));
  return text.startsWith('-') ? -size : size;
}

/** A hub's connector on the drop, with a caller who holds every right. */
export async function raiseHub(settings: Record<string, unknown>) {
  const database = await freshDatabase();
  const raw = { companies: { [ISSUER]: COMPANY }, poll: '1h', ...settings };
  const host = await raiseIsland(tax, { id: 'at', park: 'lisboa', raw }, database, { parks: [] });
  const principal = { ...HUB_PRINCIPAL, scopes: new Set(['tax:read']), consents: new Set(['tax']) };
  return {
    host,
    database,
    async ask<T>(selection: string): Promise<T> {
      const call = { ...hubCall(20_000, AbortSignal.timeout(25_000)), principal };
      const query = `query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { ${selection} } } }`;
      const variables = { r: [{ __typename: 'Company', uscc: COMPANY }] };
      const answer = await host.subgraph.execute({ query, variables, call });
      expect(answer.errors).toBeUndefined();
      return (answer.data as { _entities: T[] })._entities[0] as T;
    },
    async close() {
      await host.close();
      await database.drop();
    },
  };
}
type Hub = Pick<Awaited<ReturnType<typeof raiseHub>>, 'ask'>;

interface Shown {
  readonly id: string;
  readonly net: { value: string; currency: string };
  readonly cancelled: boolean;
}

/** Reads page by page through the graph; the file has been taken in. */
export async function expectTotals(hub: Hub): Promise<void> {
  const all: Shown[] = [];
  let after = '';
  for (let more = true; more; ) {
    const { tax: found } = await hub.ask<{
      tax: { invoices: { totalCount: number; nodes: Shown[]; pageInfo: { endCursor: string; hasNextPage: boolean } } };
    }>(
      `tax { invoices(first: 7${after}) { totalCount nodes { id net { value currency } cancelled } pageInfo { endCursor hasNextPage } } }`,
    );
    expect(found.invoices.totalCount).toBe(INVOICES);
    all.push(...found.invoices.nodes);
    more = found.invoices.pageInfo.hasNextPage;
    after = `, after: "${found.invoices.pageInfo.endCursor}"`;
  }
  expect(new Set(all.map((one) => one.id)).size).toBe(INVOICES);
  expect(all.every((one) => one.net.currency === 'EUR')).toBe(true);
  const counted = all.filter((one) => !one.cancelled).map((one) => units(one.net.value));
  const sum = (side: (one: bigint) => boolean) => counted.filter(side).reduce((a, b) => a + b, 0n);
  const [credit, debit] = [sum((one) => one > 0n), sum((one) => one < 0n)];
  expect({ debit: -debit, credit }).toEqual({ debit: units(DEBIT), credit: units(CREDIT) });
  const { tax: sums } = await hub.ask<{ tax: { totals: { invoices: number; net: { value: string } }[] } }>(
    'tax { totals(from: "2017", to: "2018") { period invoices net { value } tax { value } } }',
  );
  const net = sums.totals.reduce((a, row) => a + units(row.net.value), 0n);
  expect(net).toBe(units(CREDIT) - units(DEBIT));
  expect(sums.totals.reduce((a, row) => a + row.invoices, 0)).toBe(counted.length);
  // The careless sum: it would be right only if cancelled invoices counted.
  const careless = all.map((one) => units(one.net.value)).filter((one) => one > 0n);
  expect(careless.reduce((a, b) => a + b, 0n)).toBe(units(WRONG_CREDIT));
  expect(JSON.stringify(sums)).not.toContain(WRONG_CREDIT);
}
