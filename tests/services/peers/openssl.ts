import type { Peer } from './peer.ts';

/** The openssl command, which makes certificates. OPENSSL names the program. */
export const openssl: Peer = {
  name: 'OpenSSL',
  packages: ['openssl'],
  program: 'openssl',
  start: async () => ({ env: { OPENSSL: 'openssl' }, stop: async () => undefined }),
};
