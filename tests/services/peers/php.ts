import type { Peer } from './peer.ts';

/** PHP with its SOAP server; tests start `php -S` with their own scripts. Sets PHP. */
export const php: Peer = {
  name: 'PHP',
  packages: ['php-cli', 'php-soap', 'php-xml'],
  program: 'php',
  start: async () => ({ env: { PHP: 'php' }, stop: async () => undefined }),
};
