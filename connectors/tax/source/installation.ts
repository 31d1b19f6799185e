import type { Services } from '../../kit/services.ts';
import type { TaxSettings } from '../settings.ts';
import type { SftpDrop } from './sftp.ts';

/** What the jobs and the requests of one installation share. */
export interface Installation {
  readonly settings: TaxSettings;
  readonly services: Services;
  readonly drop: SftpDrop;
}

/** Name in the installation's state of the time of the last complete listing. */
export const LISTED = 'listed';
