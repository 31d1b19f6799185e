import type { Peer } from './peer.ts';

const program = process.env['ISTHMUS_CHROMIUM'] ?? '/usr/bin/chromium';

/** A real browser: the one that ISTHMUS_CHROMIUM names (its path), else Debian's. */
export const chromium: Peer = {
  name: 'Chromium',
  packages: ['chromium'],
  program,
  start: async () => ({ env: { ISTHMUS_CHROMIUM: program }, stop: async () => undefined }),
};
