/**
 * The audit entries of the hand-written program: salted ids, a hash chain, one INSERT for all entries that arrive during the last one.
 * Without the hub's signed head files, which survive a manipulated database.
 */
import { createHash, randomBytes } from 'node:crypto';
import type pg from 'pg';

/** One access. `entities`: plain ids by type of the graph. */
export interface Access {
  readonly subject: string;
  readonly client: string;
  readonly purpose: string | null;
  readonly basis: string;
  /** SHA-256 of the operation's text, hexadecimal. */
  readonly operation: string;
  readonly fields: readonly string[];
  readonly entities: Readonly<Record<string, readonly string[]>>;
}

interface Pending {
  readonly access: Access;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Entries of one INSERT. */
const MAX_BATCH = 500;

export class AuditChain {
  readonly #pool: pg.Pool;
  readonly #chain = randomBytes(8).toString('hex');
  readonly #salted = new Map<string, string>();
  #hash = createHash('sha256').update(this.#chain).digest();
  #number = 0;
  #pending: Pending[] = [];
  #isWriting = false;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** Creates the tables of this program, which resemble those of the hub. */
  async open(): Promise<void> {
    await this.#pool.query(`CREATE SCHEMA IF NOT EXISTS handwritten;
      CREATE TABLE IF NOT EXISTS handwritten.audit_entry (chain text, number bigint, time timestamptz NOT NULL, body text NOT NULL,
        hash bytea NOT NULL, PRIMARY KEY (chain, number));
      CREATE TABLE IF NOT EXISTS handwritten.audit_subject (subject text, time timestamptz, chain text, number bigint,
        PRIMARY KEY (subject, time, chain, number));
      CREATE TABLE IF NOT EXISTS handwritten.audit_salt (type text, id text, salt bytea NOT NULL, salted text NOT NULL, PRIMARY KEY (type, id))`);
  }

  /** Resolves when the entry is on disk. */
  record(access: Access): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ access, resolve, reject });
      if (this.#isWriting) return;
      this.#isWriting = true;
      setImmediate(() => void this.#write());
    });
  }

  async #write(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, MAX_BATCH);
      try {
        await this.#append(batch.map(({ access }) => access));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isWriting = false;
  }

  async #append(batch: readonly Access[]): Promise<void> {
    await this.#addSalts(batch);
    const time = new Date();
    let hash = this.#hash;
    const [numbers, bodies, hashes]: [number[], string[], Buffer[]] = [[], [], []];
    const [subjects, subjectNumbers]: [string[], number[]] = [[], []];
    for (const { subject, client, purpose, basis, operation, fields, entities } of batch) {
      const number = this.#number + numbers.length + 1;
      const salted: Record<string, string[]> = {};
      let count = 0;
      for (const type of Object.keys(entities).sort()) {
        const ids = (entities[type] as readonly string[]).map((id) => this.#salted.get(`${type}\0${id}`) as string);
        salted[type] = ids.sort();
        count += ids.length;
      }
      const who = [{ subject, client }];
      const [chain, at] = [this.#chain, time.toISOString()];
      const entry = { chain, number, time: at, who, onBehalfOf: [], purpose, basis, operation, entities: salted };
      const body = JSON.stringify({ ...entry, fields, count, outcome: 'ALLOWED' });
      hash = createHash('sha256').update(hash).update(body).digest();
      numbers.push(number);
      bodies.push(body);
      hashes.push(hash);
      for (const company of salted['Company'] ?? []) {
        subjects.push(company);
        subjectNumbers.push(number);
      }
    }
    await this.#pool.query({
      name: 'audit',
      text: `WITH written AS (
          INSERT INTO handwritten.audit_entry (chain, number, time, body, hash)
          SELECT $1, number, $2, body, hash FROM unnest($3::bigint[], $4::text[], $5::bytea[]) AS given (number, body, hash) RETURNING 1)
        INSERT INTO handwritten.audit_subject (subject, time, chain, number)
        SELECT subject, $2, $1, number FROM unnest($6::text[], $7::bigint[]) AS given (subject, number)`,
      values: [this.#chain, time, numbers, bodies, hashes, subjects, subjectNumbers],
    });
    this.#number += numbers.length;
    this.#hash = hash;
  }

  /** Creates the salted ids of entities that this process has not named yet. */
  async #addSalts(batch: readonly Access[]): Promise<void> {
    const missing = new Map<string, { type: string; id: string; salt: Buffer; salted: string }>();
    for (const { entities } of batch) {
      for (const [type, ids] of Object.entries(entities)) {
        for (const id of ids) {
          const key = `${type}\0${id}`;
          if (this.#salted.has(key) || missing.has(key)) continue;
          const salt = randomBytes(16);
          const salted = createHash('sha256').update(salt).update(key).digest('base64url').slice(0, 22);
          missing.set(key, { type, id, salt, salted });
        }
      }
    }
    if (missing.size === 0) return;
    const rows = [...missing.values()];
    const column = <K extends keyof (typeof rows)[number]>(name: K) => rows.map((row) => row[name]);
    const { rows: stored } = await this.#pool.query<{ type: string; id: string; salted: string }>({
      name: 'salts',
      text: `INSERT INTO handwritten.audit_salt AS s (type, id, salt, salted) SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[])
        ON CONFLICT (type, id) DO UPDATE SET salted = s.salted RETURNING type, id, salted`,
      values: [column('type'), column('id'), column('salt'), column('salted')],
    });
    for (const { type, id, salted } of stored) this.#salted.set(`${type}\0${id}`, salted);
  }
}
