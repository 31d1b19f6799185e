/** What a caller may see, as plans are made for it; and one caller of each kind, so that a new graph is compiled before they ask. */
import type { Principal } from '../../connectors/kit/auth/principal.ts';
import type { Federation } from '../federation/index.ts';
import type { Coordinate, Policy } from '../trust/rights/field-policy.ts';

/** As many kinds of callers are remembered for a new supergraph. */
const CALLERS = 1_000;

/** What plans hang on, of who asks. `internal`: whether internal fields may be named. */
export const rightsOf = (policy: Policy, principal: Principal | null, internal: boolean) => ({
  refused: (coordinate: Coordinate) => policy.refused(coordinate, principal),
  refusedKey: policy.mark(principal),
  internal,
});

export class Callers {
  /** By the mark of the policy. */
  readonly #known = new Map<string, Principal | null>();

  /** Somebody of this kind asks. */
  note(mark: string, principal: Principal | null): void {
    if (!this.#known.has(mark) && this.#known.size < CALLERS) this.#known.set(mark, principal);
  }

  /** The marks are those of another policy from now on. */
  clear(): void {
    this.#known.clear();
  }

  /** Compiles for `next` what was compiled for `before`, a little at a time, so that nobody waits for it. */
  async prepare(next: Federation, policy: Policy, before: Federation): Promise<void> {
    for (const { query, operationName, refusedKey, internal, provenance } of before.known()) {
      const principal = this.#known.get(refusedKey);
      if (principal === undefined) continue;
      next.compile({ query, operationName }, { ...rightsOf(policy, principal, internal), provenance });
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
