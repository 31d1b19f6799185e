import { createRequire } from 'node:module';
import {
  milliseconds,
  type Setting,
  secretUrl,
  settings,
  structure,
  text,
  type Values,
} from '../kit/config/settings.ts';

/** Whether the optional driver for SQL Server is there. */
function hasDriver(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

const anyDatabase = secretUrl(
  "The vendor's database, read with an account that may only SELECT; postgres, mysql (also MariaDB) or mssql",
  '"${LAKESIDE_ACCESS_URL}"',
  ['postgres', 'postgresql', 'mysql', 'mariadb', 'mssql'],
);
const database: Setting<string> = {
  ...anyDatabase,
  read: (raw) => {
    const url = anyDatabase.read(raw);
    if (url.startsWith('mssql:') && !hasDriver('mssql')) {
      throw new Error('needs the package mssql for SQL Server, which is not installed (npm install mssql@12)');
    }
    return url;
  },
};

function zoneName(raw: unknown): string {
  try {
    if (typeof raw !== 'string') throw new Error();
    return new Intl.DateTimeFormat('en', { timeZone: raw }).resolvedOptions().timeZone && raw;
  } catch {
    throw new Error('must be a time zone such as Asia/Shanghai');
  }
}

const zone: Setting<string> = {
  ...text('Time zone of the door controllers: the vendor writes their local time without a zone', '', 'Asia/Shanghai'),
  example: 'Asia/Shanghai',
  read: zoneName,
};

export const accessSettings = settings('access-control', {
  url: database,
  zone,
  zones: structure<Readonly<Record<string, string>>>(
    'Time zones of single controllers that differ, by device id',
    '{ "7": Asia/Urumqi }',
    (raw) => {
      if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
        throw new Error('must be a mapping from device id to time zone');
      }
      return Object.fromEntries(Object.entries(raw).map(([device, name]) => [device, zoneName(name)]));
    },
    {},
  ),
  presence: milliseconds(
    'How long a swipe in counts as being inside: longer than any shift, since people forget to swipe out',
    '16h',
  ),
  history: milliseconds('How far back the first poll reads', 'P1D'),
  poll: milliseconds('Pause between two polls of the log', '2s'),
  overlap: milliseconds('How long a line may take to be committed and still be read: the overlap of polls', '10m'),
  timeout: milliseconds('How long one question to the database may take', '2.5s'),
});

export type AccessSettings = Values<typeof accessSettings>;
