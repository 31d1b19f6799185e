/** What isthmus.yaml says, once it is read and found sound. */
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
  readonly buildings: readonly BuildingConfig[];
}

export interface BuildingConfig {
  readonly id: string;
  readonly name: string;
  readonly floorArea: string | null;
  /** Codes by which legacy systems call it. */
  readonly known: readonly string[];
}

export interface InstallationConfig {
  readonly id: string;
  readonly park: string;
  /** Name of the connector; of one made from configuration, the system that the installation names. */
  readonly connector: string;
  /** Name of the family that makes the connector; absent: it is written in code. */
  readonly family?: string;
  /** As the connector's declaration read them. */
  readonly settings: unknown;
  readonly protocol: string;
  /** Limits and times of its guard; absent: the defaults. */
  readonly guard?: GuardSettings;
}

export interface Config {
  readonly file: string;
  readonly parks: readonly ParkConfig[];
  readonly installations: readonly InstallationConfig[];
  /** Connectors that live in a process of their own, by name. */
  readonly subgraphs: Readonly<Record<string, { readonly url: string }>>;
  /** Whose tokens are taken. */
  readonly auth: AuthConfig;
  /** The role of a caller from this machine without a token; null: such a caller is nobody. */
  readonly anonymous: string | null;
  /** Web origins whose pages may use the hub, beside its own: `https://app.example`. */
  readonly origins: readonly string[];
  /** Whether the explorer is served, and where people sign in to it. */
  readonly explorer: ExplorerConfig;
  /** What documents, operations and callers may use. */
  readonly limits: Limits;
  /** How long the hub keeps what it writes itself. */
  readonly retention: Retention;
  /** How the audit log is written and kept. */
  readonly audit: AuditConfig;
  /** How long one operation may take, in milliseconds; null: the default. */
  readonly deadline: number | null;
}
