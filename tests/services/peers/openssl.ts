import type { Peer } from './peer.ts';

/** The openssl command, for certificates. Sets OPENSSL. */
export const openssl: Peer = {
  name: 'OpenSSL',
  packages: ['openssl'],
  program: 'openssl',
  start: async () => ({ env: { OPENSSL: 'openssl' }, stop: async () => undefined }),
};
