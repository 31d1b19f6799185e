/** Plans by caller rights; recompiles the known operations for a new graph, with one remembered caller for each set of rights. */
import type { Principal } from '../../connectors/kit/auth/principal.ts';
import type { Federation } from '../federation/index.ts';
import type { Coordinate, FieldPolicy } from '../trust/rights/field-policy.ts';

/** Remembered callers. */
const MAX_CALLERS = 1_000;

/** The options of `Federation.compile` that depend on the caller. */
export type CallerRights = Required<Omit<NonNullable<Parameters<Federation['compile']>[1]>, 'provenance'>>;

/** The options that make plans depend on the caller's rights. `internal`: internal fields may be selected. */
export const callerRights = (policy: FieldPolicy, principal: Principal | null, internal: boolean): CallerRights => ({
  checkAccess: (coordinate: Coordinate) => policy.rejection(coordinate, principal),
  accessKey: policy.rightsKey(principal),
  internal,
});

export class PerCallerPlans {
  /** By `accessKey`. */
  readonly #callers = new Map<string, Principal | null>();

  /** Remembers the first caller with these rights. */
  remember(accessKey: string, principal: Principal | null): void {
    if (!this.#callers.has(accessKey) && this.#callers.size < MAX_CALLERS) this.#callers.set(accessKey, principal);
  }

  /** Forgets all callers: the keys of another policy mean other rights. */
  clear(): void {
    this.#callers.clear();
  }

  /** Compiles the operations of `before` for `next`, one per round of the event loop, so that requests do not wait. */
  async recompile(next: Federation, policy: FieldPolicy, before: Federation): Promise<void> {
    for (const { query, operationName, accessKey, internal, provenance } of before.compiledOperations()) {
      const principal = this.#callers.get(accessKey);
      if (principal === undefined) continue;
      next.compile({ query, operationName }, { ...callerRights(policy, principal, internal), provenance });
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
