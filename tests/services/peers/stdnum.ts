import type { Peer } from './peer.ts';

/** python-stdnum, an independent check of credit codes. Sets PYTHON, the interpreter that has it. */
export const stdnum: Peer = {
  name: 'python-stdnum',
  packages: ['python3-stdnum'],
  program: '/usr/lib/python3/dist-packages/stdnum/__init__.py',
  start: async () => ({ env: { PYTHON: '/usr/bin/python3' }, stop: async () => undefined }),
};
