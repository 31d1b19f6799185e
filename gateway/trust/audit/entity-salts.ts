/** Salted ids of entities, as the audit log names them; known ones are kept in memory. */
import { LRUCache } from 'lru-cache';
import { saltedIds } from '../../../schema/database/audit/audit-log.ts';
import type { Tx } from '../../../schema/database/database.ts';
import { saltedId } from './hash-chain.ts';

/** Plain ids by type of the graph. */
type Ids = Readonly<Record<string, readonly string[]>>;

/** The salts of one process. */
export class Salts {
  readonly #known = new LRUCache<string, string>({ max: 50_000 });

  /** Forgets one entity, or all: its salt was erased. */
  forget(type?: string, id?: string): void {
    if (type === undefined) this.#known.clear();
    else this.#known.delete(`${type}\0${id}`);
  }

  /** Looks all ids up at once; answers what turns one of them into its salted id. */
  async of(tx: Tx, all: readonly Ids[]): Promise<(type: string, id: string) => string> {
    const missing = new Map<string, Set<string>>();
    const found = new Map<string, string>();
    for (const ids of all) {
      for (const [type, some] of Object.entries(ids)) {
        for (const id of some) {
          const mark = `${type}\0${id}`;
          const known = this.#known.get(mark);
          if (known !== undefined) found.set(mark, known);
          else missing.set(type, (missing.get(type) ?? new Set()).add(id));
        }
      }
    }
    for (const [type, ids] of missing) {
      const made = await saltedIds(tx, type, [...ids], (salt, id) => saltedId(salt, type, id));
      for (const [id, salted] of made) {
        this.#known.set(`${type}\0${id}`, salted);
        found.set(`${type}\0${id}`, salted);
      }
    }
    return (type, id) => {
      const salted = found.get(`${type}\0${id}`);
      if (salted === undefined) throw new Error('A salt was erased while it was asked for.');
      return salted;
    };
  }
}
