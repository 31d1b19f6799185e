import type { Peer } from './peer.ts';

const program = process.env['ISTHMUS_CHROMIUM'] ?? '/usr/bin/chromium';

/** Chromium: the path in ISTHMUS_CHROMIUM, or Debian's. */
export const chromium: Peer = {
  name: 'Chromium',
  packages: ['chromium'],
  program,
  start: async () => ({ env: { ISTHMUS_CHROMIUM: program }, stop: async () => undefined }),
};
