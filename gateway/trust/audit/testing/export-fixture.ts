/** Generates an audit export in memory, for tests and for the benchmark of the verifier. */
import type { SigningKey } from '../../signing/signing-key.ts';
import { chainLine, ExportWriter, entryLine, headerLine, statementLine } from '../export/export-format.ts';
import { type AuditEntry, type Digest, encodeEntry, encodeHead, initialHash, nextHash } from '../hash-chain.ts';
import { type StatementKind, signStatement, statementHash } from '../signed-statement.ts';

/** Begin of all chains. */
export const TEST_BEGUN = '2026-03-02T08:00:00.000Z';

/** An entry that varies with its number. */
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

/** A chain to generate. */
export interface TestChain {
  readonly chain: string;
  readonly entries: number;
  readonly digest?: Digest;
  /** Entries up to this number were dropped by retention. */
  readonly trimmed?: number;
  /** The entry with this number has other content, with valid hashes after it; the statements are those of the original chain. */
  readonly forged?: number;
}

/** Writes an export of the chains, with statements at begin and end of each and after every `every` entries. */
export async function writeTestExport(
  key: SigningKey,
  chains: readonly TestChain[],
  write: (text: string) => Promise<void>,
  every = 10,
): Promise<void> {
  const file = new ExportWriter(write);
  await file.writeLines([headerLine([key.publicJwk])]);
  const statements: string[] = [];
  let previous: string | null = null;
  const state = (kind: StatementKind, chain: string, count: number, hash: Buffer): void => {
    const number = statements.length + 1;
    const signed = signStatement(key, {
      number,
      kind,
      chain,
      count,
      head: hash.toString('hex'),
      time: TEST_BEGUN,
      previous,
    });
    previous = statementHash(signed.body);
    statements.push(statementLine(signed.body, signed.signature));
  };
  const hashes = new Map<string, Buffer>();
  for (const { chain, entries, digest = 'sha256', trimmed } of chains) {
    let hash = initialHash(digest, encodeHead({ chain, digest, begun: TEST_BEGUN }));
    state('begin', chain, 0, hash);
    for (let number = 1; number <= entries; number++) {
      hash = nextHash(digest, hash, encodeEntry(testEntry(chain, number)));
      if (number === trimmed) {
        hashes.set(chain, hash);
        state('trim', chain, number, hash);
      } else if (number % every === 0) state('stand', chain, number, hash);
    }
    state('end', chain, entries, hash);
  }
  await file.writeLines(statements);
  for (const { chain, entries, digest = 'sha256', trimmed = 0, forged } of chains) {
    const head = encodeHead({ chain, digest, begun: TEST_BEGUN });
    await file.writeLines([chainLine(head)]);
    let hash = hashes.get(chain) ?? initialHash(digest, head);
    let lines: string[] = [];
    for (let number = trimmed + 1; number <= entries; number++) {
      const entry = testEntry(chain, number);
      const body = encodeEntry(number === forged ? { ...entry, outcome: 'REFUSED' } : entry);
      hash = nextHash(digest, hash, body);
      lines.push(entryLine(hash.toString('hex'), body));
      if (lines.length < 1_000) continue;
      await file.writeLines(lines);
      lines = [];
    }
    await file.writeLines(lines);
  }
  await file.writeEnd(key, new Date(TEST_BEGUN));
}
