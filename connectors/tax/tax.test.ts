import type { Socket } from 'node:net';
import ssh2 from 'ssh2';
import { expect } from 'vitest';
import { parseUscc } from '../kit/identifiers.ts';
import { conformance } from '../kit/testing/conformance.ts';
import tax from './index.ts';
import { type ReadOptions, readReplies, readTaxFile } from './mapping/index.ts';
import { simulator } from './simulator/index.ts';
import { makeHostKey } from './simulator/sftp.ts';

const OPTIONS: ReadOptions = {
  companyOf: (taxpayerNo) => (taxpayerNo === '599999993' ? '91350100M000100Y43' : parseUscc(taxpayerNo)),
  signatureKey: () => null,
  refusedShare: 0.9,
};

/** An SSH server of ours on one socket, whose account and listing are as the test wants them. */
const key = makeHostKey();
function pretend(socket: Socket, right: boolean): void {
  const server = new ssh2.Server({ hostKeys: [key.hostKey] }, (connection) => {
    connection.on('error', () => undefined);
    connection.on('authentication', (context) => (right ? context.accept() : context.reject(['password'])));
    connection.on('session', (accept) =>
      accept().on('sftp', (begin) => {
        const sftp = begin();
        let listed = false;
        const folder = { mode: 0o40755, uid: 0, gid: 0, size: 0, atime: 0, mtime: 0 };
        sftp.on('STAT', (id) => sftp.attrs(id, folder)).on('LSTAT', (id) => sftp.attrs(id, folder));
        sftp.on('OPENDIR', (id) => {
          listed = false;
          sftp.handle(id, Buffer.from('1'));
        });
        sftp.on('READDIR', (id) => {
          if (listed) return sftp.status(id, ssh2.utils.sftp.STATUS_CODE.EOF);
          listed = true;
          sftp.name(id, [{ filename: 'a.txt', longname: '-rw-r--r-- 1 a a ? Jan 1 00:00 a.txt', attrs: {} as never }]);
        });
        sftp.on('CLOSE', (id) => sftp.status(id, ssh2.utils.sftp.STATUS_CODE.OK));
      }),
    );
  });
  server.injectSocket(socket);
}

const settings = (env: Readonly<Record<string, string>>) => ({
  url: env['LAKESIDE_TAX_URL'],
  password: env['LAKESIDE_TAX_PASSWORD'],
  hostKey: env['LAKESIDE_TAX_HOST_KEY'],
});
const TAX =
  '... on Company { uscc tax { standing lastFiling { period } filings(first: 2) { totalCount nodes { period } } } }';
const ENTITIES = (selection: string) => `query ($r: [_Any!]!) { _entities(representations: $r) { ${selection} } }`;

conformance({
  connector: tax,
  simulator,
  folder: import.meta.dirname,
  settings: ({ env }) => ({ ...settings(env), poll: '1h' }),
  settingsAt: ({ host, port }, { env }) => ({
    ...settings(env),
    url: `sftp://isthmus@${host}:${port}/park`,
    // The traps of the suite speak with a key of their own; what goes through the gate is the simulator's.
    hostKey: [env['LAKESIDE_TAX_HOST_KEY'], key.fingerprint],
    poll: '1h',
  }),
  prepare: ['drop', 'drop'],
  question: (demo) => ({
    query: ENTITIES(TAX),
    variables: { r: [{ __typename: 'Company', uscc: demo.companies[0]?.uscc }] },
    check: (data) => {
      const [company] = data['_entities'] as { tax: { standing: string; filings: { totalCount: number } } }[];
      expect(company?.tax.standing).toBe('GOOD');
      expect(company?.tax.filings.totalCount).toBe(4);
    },
  }),
  batch: (demo) => ({
    representations: [
      ...demo.companies.slice(0, 12).map(({ uscc }) => ({ __typename: 'Company', uscc })),
      { __typename: 'Company', uscc: '91350100M000100Y43' },
      ...demo.companies.slice(12, 20).map(({ uscc }) => ({ __typename: 'Company', uscc })),
    ],
    selection: TAX,
    unknown: 12,
    isUnknown: (entity) => entity?.['tax'] === null,
    // A mirror: the drop is not asked.
    calls: 0,
  }),
  live: { job: 'drop' },
  nonsense: { serve: (socket) => pretend(socket, true), field: /size/ },
  refusal: { serve: (socket) => pretend(socket, false) },
  twice: {
    job: 'drop',
    state: `SELECT (SELECT count(*) FROM tax_file) AS files, (SELECT count(*) FROM tax_invoice) AS invoices, (SELECT count(*) FROM tax_filing) AS filings,
      (SELECT sum(gross) FROM tax_invoice) AS gross, (SELECT count(*) FROM event WHERE kind = 'TAX_FILE_RECEIVED') AS events`,
  },
  fixture: (name, bytes) => (name.startsWith('reply') ? readReplies(bytes) : readTaxFile(bytes, OPTIONS)),
});
