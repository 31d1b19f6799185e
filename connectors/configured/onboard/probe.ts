/** What `isthmus onboard` uses of a probed system: drafts, settings for isthmus.yaml, and sample queries. */
import type { ParkConfig } from '../../kit/config/config.ts';
import type { Entity } from '../core/declaration.ts';
import type { EntityDraft } from '../draft/draft-entities.ts';

/** The system cannot be connected; the message is written for operators. */
export class OnboardError extends Error {
  override name = 'OnboardError';
}

export interface OnboardOptions {
  readonly kind: DescriptionKind;
  /** File, folder or URL of the description; for a database its URL or the environment variable that holds it. */
  readonly source: string;
  /** Base URL of the system; null: derived from the description. */
  readonly url: string | null;
  readonly system: string;
  readonly park: string | null;
  readonly config: string;
  /** `name=VARIABLE`: the value of the header is in an environment variable. */
  readonly headers: readonly string[];
  /** Tables and views of a database; empty: all, up to `MAX_TABLES`. */
  readonly tables: readonly string[];
  readonly yes: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly say: (text: string) => void;
  /** Input and output are a terminal: use colours and ask for confirmation. */
  readonly isTerminal: boolean;
}

export const KINDS = ['openapi', 'wsdl', 'csv', 'sql'] as const;
export type DescriptionKind = (typeof KINDS)[number];

/** The headers of the options. `values`: for calls; `references`: `${VARIABLE}` for isthmus.yaml. Throws `OnboardError` for a missing variable. */
export function readHeaderOptions(options: OnboardOptions): {
  values: Readonly<Record<string, string>>;
  references: Readonly<Record<string, string>>;
} {
  const invalid = options.headers.find((header) => !/^[!#$%&'*+.^`|~\w-]+=[A-Za-z_]\w*$/.test(header));
  if (invalid !== undefined) {
    throw new OnboardError(
      `--header must be the name of the header and of an environment variable, found ${JSON.stringify(invalid)}; example: --header X-Api-Key=SENSORS_KEY`,
    );
  }
  const headers = options.headers.map((header) => header.split('=', 2) as [string, string]);
  const missing = headers.map(([, variable]) => variable).filter((variable) => !options.environment[variable]);
  if (missing.length > 0)
    throw new OnboardError(
      `Environment variable not set: ${missing.join(', ')}; example: ${missing[0]}=... isthmus onboard ...`,
    );
  return {
    values: Object.fromEntries(headers.map(([name, variable]) => [name, options.environment[variable] ?? ''])),
    references: Object.fromEntries(headers.map(([name, variable]) => [name, `\${${variable}}`])),
  };
}

/** Where the new installation is added. */
export interface OnboardTarget {
  /** Folder of isthmus.yaml. */
  readonly folder: string;
  readonly park: ParkConfig | undefined;
  /** The names of the park's buildings in the legacy systems. */
  readonly buildingCodes: ReadonlySet<string>;
}

/** A probed system. */
export interface Probe {
  /** What was found, in one line. */
  readonly summary: string;
  readonly drafts: readonly EntityDraft[];
  /** Message for a system without drafts. */
  readonly emptyReason: string;
  /** Name of the family, the value of `connector` in isthmus.yaml. */
  readonly family: string;
  /** Settings for isthmus.yaml, with references to secrets; without `system` and `entities`. */
  readonly fileSettings: Readonly<Record<string, unknown>>;
  /** The same settings with values, for the sample queries. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** File to copy next to isthmus.yaml; null: none. */
  readonly copy: { readonly from: string; readonly to: string; readonly description: string } | null;
  /** Queries the entity. Resolves with messages: the result first, then warnings. */
  sample(entity: Entity): Promise<readonly string[]>;
  close(): Promise<void>;
}
