/** `isthmus token`: checks the options and signs the token. */
import { ROLE_NAMES, ROLES, type RoleName } from '../../../connectors/kit/auth/roles.ts';
import { parseUscc } from '../../../schema/graph/identifiers.ts';
import { missingDataError } from '../../data-folder.ts';
import { readEnvironment } from '../../environment.ts';
import { type DemoTokenRequest, demoIssuerFile, readDemoIssuer } from '../../trust/tokens/demo-issuer.ts';

export interface TokenOptions {
  readonly role: string;
  readonly subject?: string;
  readonly client?: string;
  readonly park?: readonly string[];
  readonly company?: readonly string[];
  readonly purpose?: string;
  readonly minutes?: string;
}

/** An option of `isthmus token` is missing or invalid; the message names it with an example. */
export class TokenOptionError extends Error {
  override name = 'TokenOptionError';
}

const PARK_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** Text of a claim: without control characters. */
const CLAIM_TEXT = /^[^\p{Cc}]{1,200}$/u;

/** Signs the token and prints it. Throws `TokenOptionError`, and `NothingThereError` if the data folder has no key of the demo issuer. */
export async function signDemoToken(options: TokenOptions, say: (text: string) => void): Promise<void> {
  const claims = readTokenOptions(options);
  const { data } = readEnvironment(process.env);
  const issuer = await readDemoIssuer(data);
  if (issuer === null) {
    throw missingDataError(
      'no key of the demo issuer (issuer.jwk), which a hub with auth: { demo: true } creates',
      data,
    );
  }
  const token = await issuer.sign(claims);
  if (process.stderr.isTTY) process.stderr.write(`Signed with ${demoIssuerFile(data)}.\n`);
  say(token);
}

/** The claims that the options describe. Throws `TokenOptionError`. */
function readTokenOptions(options: TokenOptions): DemoTokenRequest {
  if (!ROLE_NAMES.includes(options.role as RoleName)) {
    throw invalid('--role', `must be one of ${ROLE_NAMES.join(', ')}`, options.role, '--role developer');
  }
  const role = ROLES[options.role as RoleName];
  const missing = [
    ...(role.parks === 'named' && !options.park ? ['--park'] : []),
    ...(role.companies === 'named' && !options.company ? ['--company'] : []),
  ];
  if (missing.length > 0) {
    const example = missing.map((option) => (option === '--park' ? '--park lakeside' : '--company 91350211M000100Y46'));
    throw new TokenOptionError(
      `--role ${options.role} requires ${missing.join(' and ')}, since the role sees only what its token names; example: isthmus token --role ${options.role} ${example.join(' ')}`,
    );
  }
  const invalidPark = options.park?.find((id) => !PARK_ID.test(id));
  if (invalidPark !== undefined) {
    throw invalid('--park', 'must be the id of a park in isthmus.yaml', invalidPark, '--park lakeside');
  }
  const companies = options.company?.map((text) => {
    const uscc = parseUscc(text);
    if (uscc !== null) return uscc;
    throw invalid('--company', 'must be a unified social credit code', text, '--company 91350211M000100Y46');
  });
  for (const [name, example] of Object.entries({ client: 'portal', subject: 'demo:clerk', purpose: 'tax' })) {
    const text = options[name as 'client' | 'subject' | 'purpose'];
    if (text !== undefined && (text.trim() === '' || !CLAIM_TEXT.test(text))) {
      throw invalid(`--${name}`, 'must be a text of up to 200 characters', text, `--${name} ${example}`);
    }
  }
  const minutes = /^\d{1,4}$/.test(options.minutes ?? '60') ? Number(options.minutes ?? 60) : 0;
  if (!(minutes >= 1 && minutes <= 1440)) {
    throw invalid('--minutes', 'must be a whole number from 1 to 1440', options.minutes ?? '', '--minutes 60');
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

function invalid(option: string, expected: string, found: string, example: string): TokenOptionError {
  return new TokenOptionError(
    `${option} ${expected}, found ${JSON.stringify(found.slice(0, 120))}; example: isthmus token ${option === '--role' ? '' : '--role developer '}${example}`,
  );
}
