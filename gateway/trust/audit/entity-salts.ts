/** Salted ids by which audit entries name entities. Known ones are cached. */
import { LRUCache } from 'lru-cache';
import { saltedIds } from '../../../schema/database/audit/audit-log.ts';
import type { Tx } from '../../../schema/database/transaction.ts';
import { saltedId } from './hash-chain.ts';

/** Plain ids by type of the graph. */
type IdsByType = Readonly<Record<string, readonly string[]>>;

/** The salted ids that this process has used. */
export class EntitySalts {
  // `max` would allocate 1 MB in advance.
  readonly #salted = new LRUCache<string, string>({ maxSize: 50_000, sizeCalculation: () => 1 });

  /** Removes one entity, or all, from the cache. Called when a salt was erased. */
  forget(type?: string, id?: string): void {
    if (type === undefined) this.#salted.clear();
    else this.#salted.delete(`${type}\0${id}`);
  }

  /** Looks up all ids at once; resolves with a function from id to salted id, which throws for other ids. */
  async lookUp(tx: Tx, all: readonly IdsByType[]): Promise<(type: string, id: string) => string> {
    const missing = new Map<string, Set<string>>();
    const found = new Map<string, string>();
    for (const ids of all) {
      for (const [type, list] of Object.entries(ids)) {
        for (const id of list) {
          const key = `${type}\0${id}`;
          const known = this.#salted.get(key);
          if (known !== undefined) found.set(key, known);
          else missing.set(type, (missing.get(type) ?? new Set()).add(id));
        }
      }
    }
    for (const [type, ids] of missing) {
      const made = await saltedIds(tx, type, [...ids], (salt, id) => saltedId(salt, type, id));
      for (const [id, salted] of made) {
        this.#salted.set(`${type}\0${id}`, salted);
        found.set(`${type}\0${id}`, salted);
      }
    }
    return (type, id) => {
      const salted = found.get(`${type}\0${id}`);
      if (salted === undefined) throw new Error('A salt was erased during the lookup.');
      return salted;
    };
  }
}
