/** Every step, in order. One line per step; a landed step never changes. */
import { Core0001 } from './0001-core.ts';

export const migrations = [Core0001];
