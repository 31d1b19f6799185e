/**
 * Prepared statements: PostgreSQL parses a named statement once per connection, and plans it once per connection if its plan does not
 * depend on its values. The name is derived from the text, so that no caller chooses names.
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import pg from 'pg';

/** Statements that a connection keeps; each costs some 10 KB of the server's memory. The least recently used one is dropped. */
const MAX_PER_CONNECTION = 200;
/** Texts of which the process knows the name. */
const MAX_TEXTS = 2_000;

/** Begins a statement whose plan does not depend on its values. PostgreSQL ignores comments. */
const GENERIC_PLAN = '/* generic plan */ ';

/**
 * Marks a statement whose best plan is the same for all values: with `Database.requests`, PostgreSQL plans it once per connection. Not for
 * optional filters (`$1 IS NULL OR …`), ranges without another condition, or `LIMIT $1` over a large table: write the limit into the text.
 */
export const genericPlan = (sql: string): string => (isGenericPlan(sql) ? sql : GENERIC_PLAN + sql);

/** Whether the statement was marked by `genericPlan`. */
export const isGenericPlan = (sql: string): boolean => sql.startsWith(GENERIC_PLAN);

/** The names of the statements of one pool. */
export class PreparedStatements {
  readonly #texts = new LRUCache<string, { readonly name: string; uses: number }>({ max: MAX_TEXTS });
  readonly #onDisabled: (message: string) => void;
  readonly maxPerConnection: number;
  #isEnabled: boolean;

  /** @param onDisabled gets a message when the server turns out not to keep prepared statements */
  constructor(
    options: { isEnabled: boolean; maxPerConnection?: number },
    onDisabled: (message: string) => void = () => undefined,
  ) {
    this.#isEnabled = options.isEnabled;
    this.maxPerConnection = options.maxPerConnection ?? MAX_PER_CONNECTION;
    this.#onDisabled = onDisabled;
  }

  get isEnabled(): boolean {
    return this.#isEnabled;
  }

  /** The statement's name; null for its first use, unless its plan is generic: many texts are executed only once. */
  nameOf(text: string): string | null {
    if (!this.#isEnabled) return null;
    let known = this.#texts.get(text);
    if (!known) {
      // PostgreSQL cuts names at 63 bytes.
      known = { name: `isthmus_${createHash('sha256').update(text).digest('base64url').slice(0, 24)}`, uses: 0 };
      this.#texts.set(text, known);
    }
    known.uses++;
    return known.uses > 1 || isGenericPlan(text) ? known.name : null;
  }

  /** Stops naming statements: a pooler executes them on other connections than those that prepared them. */
  disable(): void {
    if (!this.#isEnabled) return;
    this.#isEnabled = false;
    this.#onDisabled(
      'The database does not keep prepared statements, as behind a pooler in transaction mode. They are off from now on: add prepared=off to DATABASE_URL, or let the pooler use session mode, which the hub needs to receive notifications.',
    );
  }
}

/** The part of pg's client that knows the prepared statements. */
interface ParsedStatements {
  readonly connection: { readonly parsedStatements: Record<string, string> };
}

/** A connection whose statements with values are prepared. COPY, cursors and statements with a callback are sent as they are. */
export class PreparingClient extends pg.Client {
  readonly #statements: PreparedStatements;
  /** Names in the order of their last use. */
  readonly #kept = new Set<string>();
  /** Names whose statements no longer match their tables. */
  readonly #outdated = new Set<string>();
  /** Whether the plan mode of the connection is still to be set. */
  #setsPlanMode: boolean;

  /** @param genericPlans the connection executes only statements marked by `genericPlan`, and plans each once */
  constructor(options: pg.ClientConfig, statements: PreparedStatements, genericPlans = false) {
    super(options);
    this.#statements = statements;
    this.#setsPlanMode = genericPlans;
    const plain = this.query;
    // As a property, because the overloads of pg's method cannot be declared again.
    this.query = ((...given: [unknown, unknown?, ...unknown[]]) => {
      const [text, values] = given;
      if (typeof text !== 'string' || given.length > 2) return Reflect.apply(plain, this, given);
      const hasValues = Array.isArray(values) && values.length > 0;
      if (hasValues || isGenericPlan(text)) return this.#run(text, hasValues ? values : []);
      return Reflect.apply(plain, this, given);
    }) as typeof this.query;
  }

  async #run(text: string, values: unknown[]): Promise<pg.QueryResult> {
    const isInTransaction = this.getTransactionStatus() !== 'I';
    const name = this.#statements.nameOf(text);
    if (name === null || (isInTransaction && this.#outdated.has(name))) return super.query(text, values);
    if (this.#setsPlanMode) {
      // By a statement: poolers reject it as a parameter of the connection.
      this.#setsPlanMode = false;
      await super.query('SET plan_cache_mode = force_generic_plan');
    }
    this.#kept.delete(name);
    this.#kept.add(name);
    // Not in a transaction, which may have failed.
    if (!isInTransaction) await this.#dropUnused();
    try {
      return await super.query({ name, text, values });
    } catch (error) {
      const reason = reasonToRepeat(error);
      if (reason === 'not kept') this.#statements.disable();
      if (reason === 'table changed') this.#outdated.add(name);
      if (this.#parsed[name] === undefined) this.#kept.delete(name);
      // A failed transaction accepts no further statement.
      if (reason === null || isInTransaction) throw error;
      return super.query(text, values);
    }
  }

  /** Drops statements that are outdated or too many. */
  async #dropUnused(): Promise<void> {
    for (const name of this.#outdated) await this.#drop(name);
    while (this.#kept.size > this.#statements.maxPerConnection)
      await this.#drop(this.#kept.values().next().value ?? '');
  }

  async #drop(name: string): Promise<void> {
    this.#outdated.delete(name);
    this.#kept.delete(name);
    delete this.#parsed[name];
    await super.query(`DEALLOCATE "${name}"`);
  }

  get #parsed(): Record<string, string> {
    return (this as unknown as ParsedStatements).connection.parsedStatements;
  }
}

/** Why a prepared statement failed that succeeds unprepared; null: for another reason. */
function reasonToRepeat(error: unknown): 'table changed' | 'not kept' | null {
  const { code, message } = error as { code?: unknown; message?: string };
  if (code === '0A000' && /cached plan must not change result type/.test(message ?? '')) return 'table changed';
  // Does not exist; exists already. Only these two codes are about names of prepared statements.
  return code === '26000' || code === '42P05' ? 'not kept' : null;
}
