/** `isthmus token`: what its options ask for. */

import { ROLE_NAMES, ROLES, type RoleName } from '../../../connectors/kit/auth/roles.ts';
import { parseUscc } from '../../../connectors/kit/identifiers.ts';
import type { TokenWish } from '../../trust/tokens/demo-issuer.ts';

export interface TokenOptions {
  readonly role: string;
  readonly subject?: string;
  readonly client?: string;
  readonly park?: readonly string[];
  readonly company?: readonly string[];
  readonly purpose?: string;
  readonly minutes?: string;
}

/** The options of `isthmus token` cannot be met; the message is a sentence for people. */
export class TokenOptionError extends Error {
  override name = 'CommandError';
}

const PARK = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** A name in a claim: no control characters. */
const NAME = /^[^\p{Cc}]{1,200}$/u;

/** What the options ask for. Throws `TokenOptionError` naming the option, what was found and an example. */
export function readTokenOptions(options: TokenOptions): TokenWish {
  if (!ROLE_NAMES.includes(options.role as RoleName)) {
    throw wrong('--role', `must be one of ${ROLE_NAMES.join(', ')}`, options.role, '--role developer');
  }
  const role = ROLES[options.role as RoleName];
  const missing = [
    ...(role.parks === 'named' && !options.park ? ['--park'] : []),
    ...(role.companies === 'named' && !options.company ? ['--company'] : []),
  ];
  if (missing.length > 0) {
    const example = missing.map((one) => (one === '--park' ? '--park lakeside' : '--company 91350211M000100Y46'));
    throw new TokenOptionError(
      `the role ${options.role} sees only what its token names: ${missing.join(' and ')} is missing; example: isthmus token --role ${options.role} ${example.join(' ')}`,
    );
  }
  const strange = options.park?.find((one) => !PARK.test(one));
  if (strange !== undefined) {
    throw wrong('--park', 'must be the id of a park, as isthmus.yaml gives it', strange, '--park lakeside');
  }
  const companies = options.company?.map((one) => {
    const uscc = parseUscc(one);
    if (uscc !== null) return uscc;
    throw wrong('--company', 'must be a unified social credit code', one, '--company 91350211M000100Y46');
  });
  for (const [name, example] of Object.entries({ client: 'portal', subject: 'demo:clerk', purpose: 'tax' })) {
    const given = options[name as 'client' | 'subject' | 'purpose'];
    if (given !== undefined && (given.trim() === '' || !NAME.test(given))) {
      throw wrong(`--${name}`, 'must be a text of up to 200 characters', given, `--${name} ${example}`);
    }
  }
  const minutes = /^\d{1,4}$/.test(options.minutes ?? '60') ? Number(options.minutes ?? 60) : 0;
  if (!(minutes >= 1 && minutes <= 1440)) {
    throw wrong('--minutes', 'must be a whole number from 1 to 1440', options.minutes ?? '', '--minutes 60');
  }
  return {
    role: options.role,
    subject: options.subject,
    client: options.client,
    parks: options.park,
    companies,
    purpose: options.purpose,
    seconds: minutes * 60,
  };
}

function wrong(option: string, expected: string, found: string, example: string): TokenOptionError {
  return new TokenOptionError(
    `${option} ${expected}, found ${JSON.stringify(found.slice(0, 120))}; example: isthmus token ${option === '--role' ? '' : '--role developer '}${example}`,
  );
}
