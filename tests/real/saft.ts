/** The Portuguese tax office's SAF-T demonstration file in a drop folder; checks that the hub computes the totals of its header. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { HUB_PRINCIPAL } from '../../connectors/kit/auth/principal.ts';
import { hubCall } from '../../connectors/kit/host/services.ts';
import { createTestDatabase } from '../../connectors/kit/testing/test-database.ts';
import { startInstallation } from '../../connectors/kit/testing/test-installation.ts';
import tax from '../../connectors/tax/index.ts';
import { largeSetPath, samplePath } from './data.ts';

const VALID = samplePath('tax/saft-pt/saft_idemo599999999.xml');
/** The same file with six kinds of errors, if available. */
const INVALID = largeSetPath('tax/saft-pt/invalid');
/** Totals in the file's own header. */
export const INVOICES = 24;
export const DEBIT = '2201.7838';
export const CREDIT = '14918.709';
/** Credit if cancelled invoices were included by mistake. */
const WRONG_CREDIT = '19325.5056';
export const ISSUER = '599999993';
/** A credit code for the issuer, since Portuguese tax numbers are not credit codes. */
export const COMPANY = '91500112000060409P';

export const hasInvalidVariants = INVALID !== null;

export const validFile = (): Buffer => readFileSync(VALID);
/** Name and bytes of the invalid variants. */
export const invalidVariants = (): Map<string, Buffer> =>
  new Map(INVALID ? readdirSync(INVALID).map((name) => [name, readFileSync(join(INVALID, name))]) : []);

/** A decimal in ten-thousandths. */
export function units(text: string): bigint {
  const [integer = '', part = ''] = text.replace('-', '').split('.');
  const size = BigInt(integer) * 10_000n + BigInt(part.padEnd(4, '0').slice(0, 4));
  return text.startsWith('-') ? -size : size;
}

/** Starts the connector on the drop folder, with a caller that has every permission. */
export async function startConnector(settings: Record<string, unknown>) {
  const database = await createTestDatabase();
  const raw = { companies: { [ISSUER]: COMPANY }, poll: '1h', ...settings };
  const host = await startInstallation(tax, { id: 'at', park: 'lisboa', raw }, database, { parks: [] });
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
type Hub = Pick<Awaited<ReturnType<typeof startConnector>>, 'ask'>;

interface InvoiceNode {
  readonly id: string;
  readonly net: { value: string; currency: string };
  readonly cancelled: boolean;
}

/** Checks the totals page by page through the graph, after the file was imported. */
export async function expectTotals(hub: Hub): Promise<void> {
  const all: InvoiceNode[] = [];
  let after = '';
  for (let more = true; more; ) {
    const { tax: found } = await hub.ask<{
      tax: {
        invoices: { totalCount: number; nodes: InvoiceNode[]; pageInfo: { endCursor: string; hasNextPage: boolean } };
      };
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
  // The mistaken sum, which includes cancelled invoices, must not be returned.
  const careless = all.map((one) => units(one.net.value)).filter((one) => one > 0n);
  expect(careless.reduce((a, b) => a + b, 0n)).toBe(units(WRONG_CREDIT));
  expect(JSON.stringify(sums)).not.toContain(WRONG_CREDIT);
}
