/** The pretend office's books: what it would say of a company and a month. The same question, the same answer. */
import { createHash } from 'node:crypto';
import type { Company, World } from '../../kit/testing/park/index.ts';

/** A number in [0, below) for this question. */
export function draw(world: World, below: number, ...question: readonly (string | number)[]): number {
  const hash = createHash('sha256')
    .update([world.seed, ...question].join('\0'))
    .digest();
  return hash.readUInt32BE(0) % below;
}

export type Standing = 'good' | 'arrears' | 'review' | 'gone';

/** Some companies owe; a small delivery may bring news, the nightly one says what the books say. */
export function standing(world: World, company: Company, delivery: number | null): Standing {
  if (company.status === 'suspended') return 'review';
  if (company.index % 11 === 5) return 'arrears';
  return delivery !== null && draw(world, 6, 'news', company.uscc, delivery) === 0 ? 'review' : 'good';
}

export interface Return {
  readonly number: string;
  /** `YYYY-MM-DD`, or null while it is due. */
  readonly filedOn: string | null;
  readonly fen: number;
}

/** Two returns a month, filed between the 8th and the 15th of the next one. */
export function returns(world: World, company: Company, period: string, today: string): Return[] {
  const [year, month] = period.split('-').map(Number) as [number, number];
  return ['1', '2'].map((kind) => {
    const day = 8 + draw(world, 8, 'filed', company.uscc, period, kind);
    const filedOn = new Date(Date.UTC(year, month, day)).toISOString().slice(0, 10);
    return {
      number: `SB${period.replace('-', '')}${String(company.index).padStart(4, '0')}${kind}`,
      filedOn: filedOn <= today ? filedOn : null,
      fen: 50_000 + draw(world, 20_000_000, 'owed', company.uscc, period, kind),
    };
  });
}

export interface Bill {
  readonly number: string;
  readonly day: string;
  readonly net: number;
  readonly tax: number;
  readonly cancelled: boolean;
  readonly original: string | null;
}

const RATES = [13, 6, 3];

/** Four to eight invoices a month, some cancelled, in some months one in red that takes back the first. */
export function bills(world: World, company: Company, period: string): Bill[] {
  const days = new Date(Date.UTC(Number(period.slice(0, 4)), Number(period.slice(5)), 0)).getUTCDate();
  const count = 4 + draw(world, 5, 'bills', company.uscc, period);
  const number = (i: number) =>
    `${period.slice(2, 4)}50${period.slice(5)}${String(company.index).padStart(4, '0')}${String(i + 1).padStart(10, '0')}`;
  const made = Array.from({ length: count }, (_, i): Bill => {
    const net = 10_000 + draw(world, 9_000_000, 'net', company.uscc, period, i);
    const rate = RATES[draw(world, RATES.length, 'rate', company.uscc, period, i)] as number;
    const day = 1 + Math.floor(((i + 0.5) * days) / (count + 1));
    return {
      ...{ number: number(i), net, tax: Math.round((net * rate) / 100), original: null },
      day: `${period}-${String(day).padStart(2, '0')}`,
      cancelled: i > 0 && draw(world, 12, 'cancelled', company.uscc, period, i) === 0,
    };
  });
  const first = made[0];
  if (first && draw(world, 3, 'red', company.uscc, period) === 0) {
    const last = `${period}-${String(days).padStart(2, '0')}`;
    const red = { number: number(count), day: last, cancelled: false, original: first.number };
    made.push({ ...red, net: -first.net, tax: -first.tax });
  }
  return made;
}
