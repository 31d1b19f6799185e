/** Where the hub's own records are in the data folder, and the sentence of a command that does not find them there. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { GatewaySettings } from './settings.ts';

/** Where a running hub tells the address of its embedded database. */
export const addressFile = (data: string): string => join(resolve(data), 'database.url');
/** The signing key: ISTHMUS_SIGNING_KEY, or a file of the data folder. */
export const keyFile = (settings: Pick<GatewaySettings, 'data' | 'signingKey'>): string =>
  settings.signingKey ?? join(resolve(settings.data), 'signing-key.pem');
/** Folder of the head files: how far each audit chain is, outside the database. */
export const headFolder = (data: string): string => join(resolve(data), 'audit-heads');

/** What a command needs is not in the data folder that it looked at. The message names the folder and what to do. */
export class NothingThereError extends Error {
  override name = 'CommandError';
}

/**
 * The error of a command that looked for `what`, such as "no signing key (signing-key.pem)", in the data folder.
 * `or` names other ways to say where it is, such as "DATABASE_URL".
 */
export function nothingThere(what: string, data: string, or?: string): NothingThereError {
  const folder = resolve(data);
  const from = process.env['ISTHMUS_DATA'] ? 'from ISTHMUS_DATA' : 'the default, in the current folder';
  const there = existsSync(folder)
    ? `The data folder ${folder} holds ${what}`
    : `There is ${what}: no data folder ${folder}`;
  return new NothingThereError(
    `${there} (${from}). Run the command where the hub was started, or name the hub's data folder: ISTHMUS_DATA=/path/to/.isthmus${or ? `; or ${or}` : ''}. Nothing was made.`,
  );
}
