import { existsSync } from 'node:fs';
import type { Peer } from './peer.ts';

const INSTALLED = '/usr/sbin/nginx';

/** nginx, which each test starts itself with a configuration of its own (`../nginx.ts`); NGINX is its path. */
export const nginx: Peer = {
  name: 'nginx',
  packages: ['nginx'],
  program: 'nginx',
  start: async () => ({
    env: { NGINX: existsSync(INSTALLED) ? INSTALLED : 'nginx' },
    stop: async () => undefined,
  }),
};
