/** What `isthmus onboard` needs of one way of connecting: what was found, what stands in isthmus.yaml, and what a question brings. */
import type { ParkConfig } from '../../kit/config/config.ts';
import type { Entity } from '../core/declaration.ts';
import type { Drafted } from '../draft/draft-entities.ts';

/** It cannot be done as asked; the message is a sentence for people. */
export class OnboardError extends Error {
  override name = 'CommandError';
}

export interface OnboardOptions {
  readonly kind: Kind;
  /** File, folder, address, or variable of the environment with the address of what is connected. */
  readonly source: string;
  /** Base address of the system; null: what the address of the description says. */
  readonly url: string | null;
  readonly system: string;
  readonly park: string | null;
  readonly config: string;
  /** `name=VARIABLE`: the header's value comes from the environment. */
  readonly headers: readonly string[];
  /** Of a database: tables and views to take; empty: all, up to a limit. */
  readonly tables: readonly string[];
  readonly yes: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly say: (text: string) => void;
  /** A terminal: colours and a question. */
  readonly terminal: boolean;
}

export const KINDS = ['openapi', 'wsdl', 'csv', 'sql'] as const;
export type Kind = (typeof KINDS)[number];

/** Headers with their values, and as isthmus.yaml names them: never a value. */
export function headersOf(options: OnboardOptions): {
  values: Readonly<Record<string, string>>;
  named: Readonly<Record<string, string>>;
} {
  const strange = options.headers.find((one) => !/^[!#$%&'*+.^`|~\w-]+=[A-Za-z_]\w*$/.test(one));
  if (strange !== undefined) {
    throw new OnboardError(
      `--header must be the header's name and the variable that holds its value, found ${JSON.stringify(strange)}; example: --header X-Api-Key=SENSORS_KEY`,
    );
  }
  const headers = options.headers.map((one) => one.split('=', 2) as [string, string]);
  const missing = headers.map(([, variable]) => variable).filter((variable) => !options.environment[variable]);
  if (missing.length > 0)
    throw new OnboardError(
      `The environment has no ${missing.join(', ')}; example: ${missing[0]}=... isthmus onboard ...`,
    );
  return {
    values: Object.fromEntries(headers.map(([name, variable]) => [name, options.environment[variable] ?? ''])),
    named: Object.fromEntries(headers.map(([name, variable]) => [name, `\${${variable}}`])),
  };
}

/** Where the installation will stand. */
export interface Place {
  /** Folder of isthmus.yaml. */
  readonly folder: string;
  readonly park: ParkConfig | undefined;
  /** What the legacy systems call the park's buildings. */
  readonly codes: ReadonlySet<string>;
}

/** One system, looked at. */
export interface Probe {
  /** What was found, in a line. */
  readonly found: string;
  readonly drafted: readonly Drafted[];
  /** Why nothing could be drafted, where nothing was. */
  readonly nothing: string;
  /** Name of the family, behind `connector:`. */
  readonly connector: string;
  /** Settings as they stand in the file, secrets by name; without `system` and `entities`. */
  readonly written: Readonly<Record<string, unknown>>;
  /** The same with all values, for the questions that are asked now. */
  readonly values: Readonly<Record<string, unknown>>;
  /** File to be copied beside isthmus.yaml, if any, and what it is. */
  readonly copy: { readonly from: string; readonly to: string; readonly what: string } | null;
  /** Sentences about what a question brings. */
  sample(entity: Entity): Promise<readonly string[]>;
  close(): Promise<void>;
}
