/**
 * Which installations to ask about a company or a vehicle: those that have claimed it (table `identity`), and those whose claims do not
 * yet say enough. One query for all keys of a tick, over all connectors of the process.
 */
import type { Database } from '../../../schema/database/database.ts';
import { installationsKnowing } from '../../../schema/database/hub/identities.ts';
import { statesNamed } from '../../../schema/database/hub/installation-state.ts';
import type { Call } from '../call.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { AnyConnector } from '../connector.ts';
import type { Guard } from '../guard/guard-types.ts';
import { loader } from '../loader.ts';
import { storedAgesOf } from '../monitoring/stored-age.ts';
import type { ProvenanceFacts } from '../provenance.ts';
import type { Claim } from '../services.ts';

/** Name of the state that `Services.completeClaims` writes. */
export const CLAIMS_COMPLETE = 'claims complete';

/** That state. */
export interface CompleteClaims {
  /** When all claims had been made, as ISO time. */
  readonly at: string;
  /** Milliseconds for which nothing newer is expected. */
  readonly validFor: number;
}

/** What the choice needs to know of an installation. */
export interface CandidateInstallation {
  readonly config: { readonly id: string };
  /** Whether the source is known to be down. */
  readonly isDown: boolean;
  readonly services: { readonly guard: Pick<Guard, 'mirrorFacts'> };
}

/** The choice; see `KnowingInstallations` of the connector contract. */
export interface KnowingIds {
  readonly asked: ReadonlySet<string>;
  readonly others: ReadonlySet<string>;
  readonly absentIn: readonly ProvenanceFacts[];
}

/** Milliseconds. Minimum time between two reads of the states of a connector's installations. */
const RELOAD_INTERVAL = 1_000;

type States = ReadonlyMap<string, CompleteClaims>;
type KnowingLoader = ReturnType<typeof loader<readonly string[]>>;

/** By operation: all subgraphs of a process share its lookups. */
const lookups = new WeakMap<Call, Map<string, KnowingLoader>>();

/** One for each host. */
export class KnownInstallations {
  readonly #connector: Pick<AnyConnector, 'claims'>;
  readonly #database: Pick<Database, 'requests'>;
  readonly #clock: Clock;
  /** Replaced as a whole. A state that is read too early makes an installation be asked without need, never the reverse. */
  #states: States = new Map();
  #reloadedAt = Number.NEGATIVE_INFINITY;
  #reloading: Promise<States> | null = null;

  constructor(connector: Pick<AnyConnector, 'claims'>, database: Pick<Database, 'requests'>, clock: Clock) {
    this.#connector = connector;
    this.#database = database;
    this.#clock = clock;
  }

  /** Chooses among these installations of the connector, which the caller may see. */
  async choose(
    call: Call,
    entity: Claim['entity'],
    key: string,
    candidates: readonly CandidateInstallation[],
  ): Promise<KnowingIds> {
    const coverage = this.#connector.claims?.[entity];
    const all = new Set(candidates.map(({ config }) => config.id));
    if (coverage === undefined) return { asked: all, others: new Set(), absentIn: [] };
    // Before the claims: claims that are read later include those that were made before the state was written.
    const states = coverage === 'after-sync' ? await this.#statesOf(candidates) : this.#states;
    const claimed = new Set(await this.#lookup(call, entity).load(key));
    const known = new Set([...all].filter((id) => claimed.has(id)));
    if (coverage === 'partial') {
      const others = new Set([...all].filter((id) => !known.has(id)));
      return known.size > 0 ? { asked: known, others, absentIn: [] } : { asked: all, others: new Set(), absentIn: [] };
    }
    const asked = new Set(
      candidates
        .filter(
          (candidate) =>
            known.has(candidate.config.id) || (coverage === 'after-sync' && this.#mustBeAsked(candidate, states)),
        )
        .map(({ config }) => config.id),
    );
    const absentIn =
      asked.size > 0
        ? []
        : candidates.flatMap(({ config, services }) => {
            const state = states.get(config.id);
            return state ? [services.guard.mirrorFacts(call, new Date(state.at), null, state.validFor)] : [];
          });
    return { asked, others: new Set(), absentIn };
  }

  #lookup(call: Call, entity: string): KnowingLoader {
    let ofCall = lookups.get(call);
    if (!ofCall) {
      ofCall = new Map();
      lookups.set(call, ofCall);
    }
    let lookup = ofCall.get(entity);
    if (!lookup) {
      lookup = loader((keys) => installationsKnowing(this.#database.requests, entity, keys));
      ofCall.set(entity, lookup);
    }
    return lookup;
  }

  /**
   * Whether an installation without a claim may know the entity nevertheless: its claims were never complete, or are overdue although
   * the source responds. A source that is down cannot tell; what it knew before is claimed.
   */
  #mustBeAsked({ config: { id }, isDown }: CandidateInstallation, states: States): boolean {
    const state = states.get(id);
    return state === undefined || (this.#isOverdue(state) && !isDown);
  }

  #isOverdue({ at, validFor }: CompleteClaims): boolean {
    return storedAgesOf(this.#clock).ageOf(new Date(at)) > validFor;
  }

  /** The states of the installations, read again if one is missing or overdue. */
  #statesOf(candidates: readonly CandidateInstallation[]): States | Promise<States> {
    const isSettled = candidates.every(({ config }) => {
      const state = this.#states.get(config.id);
      return state !== undefined && !this.#isOverdue(state);
    });
    if (isSettled) return this.#states;
    if (this.#reloading !== null) return this.#reloading;
    if (systemClock.monotonic() - this.#reloadedAt < RELOAD_INTERVAL) return this.#states;
    this.#reloading = statesNamed<CompleteClaims>(this.#database.requests, CLAIMS_COMPLETE)
      .then((states) => {
        this.#states = states;
        this.#reloadedAt = systemClock.monotonic();
        return states;
      })
      .finally(() => {
        this.#reloading = null;
      });
    return this.#reloading;
  }
}
