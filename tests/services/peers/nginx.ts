import { existsSync } from 'node:fs';
import type { Peer } from './peer.ts';

const INSTALLED = '/usr/sbin/nginx';

/** nginx. Each test starts its own with `../nginx.ts`. Sets NGINX, its path. */
export const nginx: Peer = {
  name: 'nginx',
  packages: ['nginx'],
  program: 'nginx',
  start: async () => ({
    env: { NGINX: existsSync(INSTALLED) ? INSTALLED : 'nginx' },
    stop: async () => undefined,
  }),
};
