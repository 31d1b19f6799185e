/** An audit log made in memory, for tests and for the measurement of the verifier. */

import type { SigningKey } from '../../signing/signing-key.ts';
import { ExportWriter, entryLine, headerLine, headLine, statementLine } from '../export/export-format.ts';
import { type AuditEntry, type Digest, encodeEntry, encodeHead, headHash, link } from '../hash-chain.ts';
import { type StatementKind, signStatement, statementHash } from '../signed-statement.ts';

/** When every chain of a test began. */
export const TEST_BEGUN = '2026-03-02T08:00:00.000Z';

/** An entry as the hub writes them; `number` makes it differ. */
export const testEntry = (chain: string, number: number): AuditEntry => ({
  chain,
  number,
  time: new Date(Date.parse(TEST_BEGUN) + number * 40).toISOString(),
  who: [{ subject: `officer-${number % 7}`, client: 'portal' }],
  onBehalfOf: [],
  purpose: 'tax',
  basis: 'consent:tax',
  operation: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  entities: { Company: [`Zq3nV0-${String(number % 40).padStart(5, '0')}AbCdEfGhIj`] },
  fields: ['TaxAccount.standing', 'TaxFiling.amount', '税.金额'],
  count: 1,
  outcome: number % 11 === 0 ? 'REFUSED' : 'ALLOWED',
});

/** One chain of a test. */
export interface TestChain {
  readonly chain: string;
  readonly entries: number;
  readonly digest?: Digest;
  /** Entries up to this one are dropped by retention. */
  readonly trimmed?: number;
  /** The export holds this entry with other content, and all hashes after it fit that; the statements are those of the true chain. */
  readonly forged?: number;
}

/** Writes an export of these chains: a statement at the beginning, every `every` entries, and at the end of each. */
export async function writeTestExport(
  key: SigningKey,
  chains: readonly TestChain[],
  write: (text: string) => Promise<void>,
  every = 10,
): Promise<void> {
  const file = new ExportWriter(write);
  await file.lines([headerLine([key.publicJwk])]);
  const statements: string[] = [];
  let previous: string | null = null;
  const state = (kind: StatementKind, chain: string, count: number, hash: Buffer): void => {
    const number = statements.length + 1;
    const one = signStatement(key, {
      number,
      kind,
      chain,
      count,
      head: hash.toString('hex'),
      time: TEST_BEGUN,
      previous,
    });
    previous = statementHash(one.body);
    statements.push(statementLine(one.body, one.signature));
  };
  const hashes = new Map<string, Buffer>();
  for (const { chain, entries, digest = 'sha256', trimmed } of chains) {
    let hash = headHash(digest, encodeHead({ chain, digest, begun: TEST_BEGUN }));
    state('begin', chain, 0, hash);
    for (let number = 1; number <= entries; number++) {
      hash = link(digest, hash, encodeEntry(testEntry(chain, number)));
      if (number === trimmed) {
        hashes.set(chain, hash);
        state('trim', chain, number, hash);
      } else if (number % every === 0) state('stand', chain, number, hash);
    }
    state('end', chain, entries, hash);
  }
  await file.lines(statements);
  for (const { chain, entries, digest = 'sha256', trimmed = 0, forged } of chains) {
    const head = encodeHead({ chain, digest, begun: TEST_BEGUN });
    await file.lines([headLine(head)]);
    let hash = hashes.get(chain) ?? headHash(digest, head);
    let lines: string[] = [];
    for (let number = trimmed + 1; number <= entries; number++) {
      const entry = testEntry(chain, number);
      const body = encodeEntry(number === forged ? { ...entry, outcome: 'REFUSED' } : entry);
      hash = link(digest, hash, body);
      lines.push(entryLine(hash.toString('hex'), body));
      if (lines.length < 1_000) continue;
      await file.lines(lines);
      lines = [];
    }
    await file.lines(lines);
  }
  await file.end(key, new Date(TEST_BEGUN));
}
