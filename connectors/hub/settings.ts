import { settings } from '../kit/config/settings.ts';

/** The hub's own records need no settings: the database is the process's. */
export const hubSettings = settings('hub', {});
