import type { Peer } from './peer.ts';

/** A real browser. ISTHMUS_CHROMIUM names the program. */
export const chromium: Peer = {
  name: 'Chromium',
  packages: ['chromium'],
  program: '/usr/bin/chromium',
  start: async () => ({ env: { ISTHMUS_CHROMIUM: '/usr/bin/chromium' }, stop: async () => undefined }),
};
