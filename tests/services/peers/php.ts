import type { Peer } from './peer.ts';

/** PHP with its SOAP server; tests write their own script and start `php -S`. PHP names the program. */
export const php: Peer = {
  name: 'PHP',
  packages: ['php-cli', 'php-soap', 'php-xml'],
  program: 'php',
  start: async () => ({ env: { PHP: 'php' }, stop: async () => undefined }),
};
