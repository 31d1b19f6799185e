import { createPublicKey } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { parseUscc } from '../../schema/graph/identifiers.ts';
import {
  custom,
  integer,
  milliseconds,
  optionalSecret,
  type Setting,
  settings,
  url,
  type Values,
} from '../kit/config/settings.ts';

const FINGERPRINT_ERROR =
  'must be the SHA-256 fingerprint of the host key as printed by ssh-keygen -lf: SHA256: and 43 characters';

/** Parses a fingerprint in OpenSSH or hex form; returns hex. */
function fingerprint(raw: unknown): string {
  const text = typeof raw === 'string' ? raw.trim() : '';
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  const base64 = /^SHA256:([A-Za-z0-9+/]{43})=?$/.exec(text)?.[1];
  if (!base64) throw new Error(FINGERPRINT_ERROR);
  return Buffer.from(base64, 'base64').toString('hex');
}

const hostKey: Setting<readonly string[]> = custom<readonly string[]>(
  "SHA-256 fingerprint of the server's host key, or a list during a key change; any other key is rejected",
  '"SHA256:uNiVztksCsDhcc0u9e8BrnJVOwDIyZhHAFm5SEeQYHw"',
  (raw) => (Array.isArray(raw) ? raw : [raw]).map(fingerprint),
);

const drop: Setting<string> = {
  ...url('SFTP folder of the tax office, as sftp://user@host:port/folder', '"sftp://isthmus@tax.example:22/park"', [
    'sftp',
  ]),
  read: (raw) => {
    const value = url('', '', ['sftp']).read(raw);
    const parsed = new URL(value);
    if (!parsed.username || !parsed.hostname || parsed.password) {
      throw new Error('must have user and host, such as sftp://isthmus@tax.example:22/park, and no password');
    }
    return value;
  },
};

/** A key given as text or as the path of its file. */
function keyText(raw: unknown): string {
  if (typeof raw !== 'string' || raw.trim() === '') throw new Error('must be a key or the path of its file');
  if (raw.includes('-----BEGIN')) return raw;
  if (!existsSync(raw)) throw new Error('must be a key (-----BEGIN ...) or the path of an existing file');
  return readFileSync(raw, 'utf8');
}

const privateKey: Setting<string | null> = {
  ...optionalSecret('Private key of the account, as text or as the path of its file; needed without a password'),
  read: (raw) => keyText(raw),
};

/** Reads a mapping from name to value; `kind` describes it in the error message. */
function mapping<T>(
  kind: string,
  readValue: (value: unknown, name: string) => T,
): (raw: unknown) => Readonly<Record<string, T>> {
  return (raw) => {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
      throw new Error(`must be a mapping from ${kind}`);
    return Object.fromEntries(Object.entries(raw).map(([name, value]) => [name, readValue(value, name)]));
  };
}

export const taxSettings = settings('tax', {
  url: drop,
  hostKey,
  password: optionalSecret('Password of the account; needed without a private key'),
  privateKey,
  poll: milliseconds('Interval at which the SFTP folder is listed', '10s'),
  fresh: milliseconds('Age after which the mirror is stale, and maximum time between two files', '26h'),
  refusedShare: custom<number>(
    'Share of rejected rows, from 0 to 1, above which the whole file is rejected',
    '0.05',
    (raw) => {
      const share = typeof raw === 'string' ? Number(raw) : raw;
      if (typeof share !== 'number' || !(share >= 0 && share <= 1)) throw new Error('must be a number from 0 to 1');
      return share;
    },
    0.05,
  ),
  companies: custom<Readonly<Record<string, string>>>(
    'Credit codes by taxpayer number, for taxpayers whose number is not a credit code',
    '{ "599999993": 91350100M000100Y43 }',
    mapping('taxpayer number to credit code', (value, name) => {
      const code = typeof value === 'string' ? parseUscc(value) : null;
      if (!code) throw new Error(`must be a mapping to credit codes; the value of ${name} is not one`);
      return code;
    }),
    {},
  ),
  signatureKeys: custom<Readonly<Record<string, string>>>(
    'Public keys (PEM, or the path of a file) of issuers of signed SAF-T files, by taxpayer number; files without a key are accepted with the note SIGNATURE_UNVERIFIED',
    '{ "599999993": /etc/isthmus/issuer.pem }',
    mapping('taxpayer number to public key', (value, name) => {
      const key = keyText(value);
      try {
        createPublicKey(key);
      } catch {
        throw new Error(`must be a mapping to public keys in PEM; the value of ${name} is not one`);
      }
      return key;
    }),
    {},
  ),
  largest: integer('Maximum file size in MiB; larger files are rejected', 64, 1, 1024),
  timeout: milliseconds('Timeout of one step of a transfer: a listing, a rename, 4 MiB of a file', '10s'),
});

export type TaxSettings = Values<typeof taxSettings>;
