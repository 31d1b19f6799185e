import { createRequire } from 'node:module';
import { custom, milliseconds, type Setting, secretUrl, settings, text, type Values } from '../kit/config/settings.ts';

/** Whether an optional database driver is installed. */
function hasDriver(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

const anyDatabase = secretUrl(
  "URL of the vendor's database (postgres, mysql for MySQL and MariaDB, or mssql); use an account with SELECT rights only",
  '"${LAKESIDE_ACCESS_URL}"',
  ['postgres', 'postgresql', 'mysql', 'mariadb', 'mssql'],
);
const database: Setting<string> = {
  ...anyDatabase,
  read: (raw) => {
    const url = anyDatabase.read(raw);
    if (url.startsWith('mssql:') && !hasDriver('mssql')) {
      throw new Error('requires the package mssql for SQL Server, which is not installed; run npm install mssql@12');
    }
    return url;
  },
};

function zoneName(raw: unknown): string {
  try {
    if (typeof raw !== 'string') throw new Error();
    return new Intl.DateTimeFormat('en', { timeZone: raw }).resolvedOptions().timeZone && raw;
  } catch {
    throw new Error('must be an IANA time zone such as Asia/Shanghai');
  }
}

const zone: Setting<string> = {
  ...text('Time zone of the door controllers; the vendor stores local time without a zone', '', 'Asia/Shanghai'),
  example: 'Asia/Shanghai',
  read: zoneName,
};

export const accessSettings = settings('access-control', {
  url: database,
  zone,
  zones: custom<Readonly<Record<string, string>>>(
    'Time zones of controllers that differ from `zone`, by device id',
    '{ "7": Asia/Urumqi }',
    (raw) => {
      if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
        throw new Error('must map device ids to time zones');
      }
      return Object.fromEntries(Object.entries(raw).map(([device, name]) => [device, zoneName(name)]));
    },
    {},
  ),
  presence: milliseconds(
    'How long a person counts as inside after the last swipe in; longer than any shift, because people forget to swipe out',
    '16h',
  ),
  history: milliseconds('How far back the first poll reads', 'P1D'),
  poll: milliseconds('Pause between two polls of the log', '2s'),
  overlap: milliseconds('How far back each poll looks again for lines that were committed late', '10m'),
  timeout: milliseconds('Timeout of one database query', '2.5s'),
});

export type AccessSettings = Values<typeof accessSettings>;
