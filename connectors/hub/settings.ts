import { settings } from '../kit/config/settings.ts';

/** No settings: the hub's records are in the database that the process uses. */
export const hubSettings = settings('hub', {});
