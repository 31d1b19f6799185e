/** Where things of the trust room lie in the data folder. */
import { join, resolve } from 'node:path';
import type { GatewaySettings } from './settings.ts';

/** Where a running hub tells the address of its embedded database. */
export const addressFile = (data: string): string => join(resolve(data), 'database.url');
/** The signing key: ISTHMUS_SIGNING_KEY, or a file of the data folder. */
export const keyFile = (settings: Pick<GatewaySettings, 'data' | 'signingKey'>): string =>
  settings.signingKey ?? join(resolve(settings.data), 'signing-key.pem');
/** Folder of the head files: how far each audit chain is, outside the database. */
export const headFolder = (data: string): string => join(resolve(data), 'audit-heads');
