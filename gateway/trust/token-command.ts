/** `isthmus token`: a token of the demo's own issuer. */
import { HubError } from '../../connectors/kit/errors.ts';
import { ROLE_NAMES, ROLES, type RoleName } from '../../connectors/kit/roles.ts';
import { openDemoIssuer } from './issuer.ts';

export interface TokenOptions {
  readonly role: string;
  readonly subject?: string;
  readonly client?: string;
  readonly park?: readonly string[];
  readonly company?: readonly string[];
  readonly purpose?: string;
  readonly minutes?: string;
}

/** Signs a token with the key in the data folder. Throws `HubError` with a sentence when the wish cannot be met. */
export async function tokenCommand(options: TokenOptions, data: string): Promise<string> {
  if (!ROLE_NAMES.includes(options.role as RoleName)) {
    throw new HubError('BAD_USER_INPUT', `--role must be one of ${ROLE_NAMES.join(', ')}, found ${options.role}`);
  }
  const role = ROLES[options.role as RoleName];
  const missing = [
    ...(role.parks === 'named' && !options.park ? ['--park'] : []),
    ...(role.companies === 'named' && !options.company ? ['--company'] : []),
  ];
  if (missing.length > 0) {
    throw new HubError(
      'BAD_USER_INPUT',
      `the role ${options.role} sees only what its token names: ${missing.join(' and ')} is missing; example: isthmus token --role operator --park lakeside`,
    );
  }
  const minutes = Number(options.minutes ?? 60);
  if (!(minutes > 0 && minutes <= 1440)) {
    throw new HubError('BAD_USER_INPUT', `--minutes must be from 1 to 1440, found ${options.minutes}`);
  }
  const issuer = await openDemoIssuer(data);
  return issuer.sign({
    role: options.role,
    subject: options.subject,
    client: options.client,
    parks: options.park,
    companies: options.company,
    purpose: options.purpose,
    seconds: Math.round(minutes * 60),
  });
}
