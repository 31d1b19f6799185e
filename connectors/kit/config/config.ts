/** The type of a valid isthmus.yaml. */
import type { AuditConfig } from './sections/audit.ts';
import type { AuthConfig } from './sections/auth.ts';
import type { ExplorerConfig } from './sections/explorer.ts';
import type { GuardSettings } from './sections/guard.ts';
import type { Limits } from './sections/limits.ts';
import type { Retention } from './sections/retention.ts';

export interface ParkConfig {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly kind: string | null;
  readonly function: string | null;
  readonly ledBy: string | null;
  readonly level: string | null;
  /** IANA time zone of its days, months and years. */
  readonly zone: string;
  readonly buildings: readonly BuildingConfig[];
}

export interface BuildingConfig {
  readonly id: string;
  readonly name: string;
  readonly floorArea: string | null;
  /** Codes that legacy systems use for it. */
  readonly known: readonly string[];
}

export interface InstallationConfig {
  readonly id: string;
  readonly park: string;
  /** Name of the connector; for a connector family, the `system` of the installation. */
  readonly connector: string;
  /** Name of the connector family; absent: the connector is written in code. */
  readonly family?: string;
  /** Read by the connector's declaration. */
  readonly settings: unknown;
  readonly protocol: string;
  /** Absent: the defaults. */
  readonly guard?: GuardSettings;
}

export interface Config {
  readonly file: string;
  readonly parks: readonly ParkConfig[];
  readonly installations: readonly InstallationConfig[];
  /** Connectors that run in their own process, by name. */
  readonly subgraphs: Readonly<Record<string, { readonly url: string }>>;
  /** Accepted issuers and audiences. */
  readonly auth: AuthConfig;
  /** Role of a caller from this machine without a token; null: such a caller is unauthenticated. */
  readonly anonymous: string | null;
  /** Web origins, beside the hub's own, whose pages may call the hub: `https://app.example`. */
  readonly origins: readonly string[];
  readonly explorer: ExplorerConfig;
  readonly limits: Limits;
  readonly retention: Retention;
  readonly audit: AuditConfig;
  /** Deadline of an operation, in milliseconds; null: the default. */
  readonly deadline: number | null;
}
