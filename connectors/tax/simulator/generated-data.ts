/** Generates the simulated tax data of a company and month. The same arguments give the same data. */
import { createHash } from 'node:crypto';
import type { Company, World } from '../../kit/testing/park/index.ts';

/** A deterministic number in [0, below), from the world's seed and `key`. */
export function pseudoRandom(world: World, below: number, ...key: readonly (string | number)[]): number {
  const hash = createHash('sha256')
    .update([world.seed, ...key].join('\0'))
    .digest();
  return hash.readUInt32BE(0) % below;
}

export type Standing = 'good' | 'arrears' | 'review' | 'gone';

/**
 * A company's standing: some are in arrears. A partial delivery (`delivery` set) may put a company under review; a full one does
 * not.
 */
export function standing(world: World, company: Company, delivery: number | null): Standing {
  if (company.status === 'suspended') return 'review';
  if (company.index % 11 === 5) return 'arrears';
  return delivery !== null && pseudoRandom(world, 6, 'news', company.uscc, delivery) === 0 ? 'review' : 'good';
}

export interface GeneratedReturn {
  readonly number: string;
  /** `YYYY-MM-DD`; null while the return is due. */
  readonly filedOn: string | null;
  readonly fen: number;
}

/** Two returns per month, filed between the 8th and the 15th of the next month. */
export function generateReturns(world: World, company: Company, period: string, today: string): GeneratedReturn[] {
  const [year, month] = period.split('-').map(Number) as [number, number];
  return ['1', '2'].map((kind) => {
    const day = 8 + pseudoRandom(world, 8, 'filed', company.uscc, period, kind);
    const filedOn = new Date(Date.UTC(year, month, day)).toISOString().slice(0, 10);
    return {
      number: `SB${period.replace('-', '')}${String(company.index).padStart(4, '0')}${kind}`,
      filedOn: filedOn <= today ? filedOn : null,
      fen: 50_000 + pseudoRandom(world, 20_000_000, 'owed', company.uscc, period, kind),
    };
  });
}

export interface GeneratedInvoice {
  readonly number: string;
  readonly day: string;
  readonly net: number;
  readonly tax: number;
  readonly cancelled: boolean;
  readonly original: string | null;
}

const RATES = [13, 6, 3];

/** Four to eight invoices per month, some cancelled; some months have a credit note for the first. */
export function generateInvoices(world: World, company: Company, period: string): GeneratedInvoice[] {
  const days = new Date(Date.UTC(Number(period.slice(0, 4)), Number(period.slice(5)), 0)).getUTCDate();
  const count = 4 + pseudoRandom(world, 5, 'bills', company.uscc, period);
  const number = (i: number) =>
    `${period.slice(2, 4)}50${period.slice(5)}${String(company.index).padStart(4, '0')}${String(i + 1).padStart(10, '0')}`;
  const generated = Array.from({ length: count }, (_, i): GeneratedInvoice => {
    const net = 10_000 + pseudoRandom(world, 9_000_000, 'net', company.uscc, period, i);
    const rate = RATES[pseudoRandom(world, RATES.length, 'rate', company.uscc, period, i)] as number;
    const day = 1 + Math.floor(((i + 0.5) * days) / (count + 1));
    return {
      ...{ number: number(i), net, tax: Math.round((net * rate) / 100), original: null },
      day: `${period}-${String(day).padStart(2, '0')}`,
      cancelled: i > 0 && pseudoRandom(world, 12, 'cancelled', company.uscc, period, i) === 0,
    };
  });
  const first = generated[0];
  if (first && pseudoRandom(world, 3, 'red', company.uscc, period) === 0) {
    const last = `${period}-${String(days).padStart(2, '0')}`;
    const creditNote = { number: number(count), day: last, cancelled: false, original: first.number };
    generated.push({ ...creditNote, net: -first.net, tax: -first.tax });
  }
  return generated;
}
