import { createPublicKey } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import {
  integer,
  milliseconds,
  optionalSecret,
  type Setting,
  settings,
  structure,
  url,
  type Values,
} from '../kit/config/settings.ts';
import { parseUscc } from '../kit/identifiers.ts';

const FINGERPRINT =
  'must be the SHA-256 fingerprint of the host key, as ssh-keygen -lf shows it: SHA256: and 43 characters';

/** A fingerprint as hex, from OpenSSH's form or hex itself. */
function fingerprint(raw: unknown): string {
  const given = typeof raw === 'string' ? raw.trim() : '';
  if (/^[0-9a-f]{64}$/i.test(given)) return given.toLowerCase();
  const base64 = /^SHA256:([A-Za-z0-9+/]{43})=?$/.exec(given)?.[1];
  if (!base64) throw new Error(FINGERPRINT);
  return Buffer.from(base64, 'base64').toString('hex');
}

const hostKey: Setting<readonly string[]> = structure<readonly string[]>(
  "SHA-256 fingerprint of the server's host key, or a list of them while it changes; any other key is refused",
  '"SHA256:uNiVztksCsDhcc0u9e8BrnJVOwDIyZhHAFm5SEeQYHw"',
  (raw) => (Array.isArray(raw) ? raw : [raw]).map(fingerprint),
);

const drop: Setting<string> = {
  ...url('The drop, as sftp://user@host:port/folder', '"sftp://isthmus@tax.example:22/park"', ['sftp']),
  read: (raw) => {
    const value = url('', '', ['sftp']).read(raw);
    const parsed = new URL(value);
    if (!parsed.username || !parsed.hostname || parsed.password) {
      throw new Error('must name user and host, such as sftp://isthmus@tax.example:22/park, and no password');
    }
    return value;
  },
};

/** A key as text, or from the file that is named. */
function keyText(raw: unknown): string {
  if (typeof raw !== 'string' || raw.trim() === '') throw new Error('must be a key or the path of its file');
  if (raw.includes('-----BEGIN')) return raw;
  if (!existsSync(raw)) throw new Error('must be a key (-----BEGIN ...) or the path of a file that is there');
  return readFileSync(raw, 'utf8');
}

const privateKey: Setting<string | null> = {
  ...optionalSecret('Private key of the account, as text or as the path of its file, where no password is used'),
  read: (raw) => keyText(raw),
};

function mapping<T>(
  what: string,
  each: (value: unknown, name: string) => T,
): (raw: unknown) => Readonly<Record<string, T>> {
  return (raw) => {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
      throw new Error(`must be a mapping from ${what}`);
    return Object.fromEntries(Object.entries(raw).map(([name, value]) => [name, each(value, name)]));
  };
}

export const taxSettings = settings('tax', {
  url: drop,
  hostKey,
  password: optionalSecret('Password of the account, where no key is used'),
  privateKey,
  poll: milliseconds('Pause between two listings of the drop', '10s'),
  fresh: milliseconds('How long the mirror counts as fresh, and how long the drop may stay without a file', '26h'),
  refusedShare: structure<number>(
    'Share of rows in a file that may be refused before the file is refused whole, from 0 to 1',
    '0.05',
    (raw) => {
      const share = typeof raw === 'string' ? Number(raw) : raw;
      if (typeof share !== 'number' || !(share >= 0 && share <= 1)) throw new Error('must be a number from 0 to 1');
      return share;
    },
    0.05,
  ),
  companies: structure<Readonly<Record<string, string>>>(
    'Credit codes of taxpayers whose number is none, by that number',
    '{ "599999993": 91350100M000100Y43 }',
    mapping('taxpayer number to credit code', (value, name) => {
      const code = typeof value === 'string' ? parseUscc(value) : null;
      if (!code) throw new Error(`must be a mapping to credit codes; that of ${name} is none`);
      return code;
    }),
    {},
  ),
  signatureKeys: structure<Readonly<Record<string, string>>>(
    'Public keys (PEM, or the path of a file) of issuers who sign their SAF-T files, by taxpayer number; without one such files pass with the note SIGNATURE_UNVERIFIED',
    '{ "599999993": /etc/isthmus/issuer.pem }',
    mapping('taxpayer number to public key', (value, name) => {
      const key = keyText(value);
      try {
        createPublicKey(key);
      } catch {
        throw new Error(`must be a mapping to public keys in PEM; that of ${name} is none`);
      }
      return key;
    }),
    {},
  ),
  largest: integer('Largest file that is read, in MiB; a larger one is refused', 64, 1, 1024),
  timeout: milliseconds('How long one step of a transfer may take: a listing, a renaming, 4 MiB of a file', '10s'),
});

export type TaxSettings = Values<typeof taxSettings>;
