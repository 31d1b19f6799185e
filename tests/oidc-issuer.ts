/** A local OIDC issuer (oidc-provider) with a form that asks only for a name. */
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider, { type Context } from 'oidc-provider';

export interface OidcIssuer {
  readonly issuer: string;
  /** Registers the client; required before anyone can sign in. `origin`: the origin that may call the token endpoint. */
  register(client: { readonly clientId: string; readonly redirect: string; readonly origin: string }): void;
  /** Audience of the next access tokens. */
  audience: string;
  /** Lifetime of the next access tokens, in seconds. */
  lifetime: number;
  /** Additional claims of the next access tokens. */
  claims: Readonly<Record<string, unknown>>;
  close(): Promise<void>;
}

const FORM = `<!doctype html><title>Issuer</title><form method="post">
<label>Name <input name="name"></label> <button>Continue</button> <button name="cancel" value="1">Cancel</button></form>`;

/** `resource`: the resource parameter that clients must send; also the default audience. */
export async function openIssuer(resource: string): Promise<OidcIssuer> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const key = { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'test' };
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const made: OidcIssuer = {
    issuer,
    audience: resource,
    lifetime: 600,
    claims: {},
    register: ({ clientId, redirect, origin }) => {
      const provider = new Provider(issuer, {
        clients: [
          {
            client_id: clientId,
            redirect_uris: [redirect],
            token_endpoint_auth_method: 'none',
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            id_token_signed_response_alg: 'ES256',
          },
        ],
        clientBasedCORS: (_: unknown, from: string) => from === origin,
        cookies: { keys: ['test'] },
        extraTokenClaims: () => made.claims,
        features: {
          devInteractions: { enabled: false },
          resourceIndicators: {
            enabled: true,
            getResourceServerInfo: () => ({
              audience: made.audience,
              scope: '',
              accessTokenFormat: 'jwt',
              accessTokenTTL: made.lifetime,
              jwt: { sign: { alg: 'ES256' } },
            }),
          },
        },
        findAccount: (_: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
        interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
        issueRefreshToken: () => true,
        jwks: { keys: [key] },
        loadExistingGrant: async ({ oidc: { client, session, provider: own } }: Context) => {
          const grant = new own.Grant({ clientId: client.clientId, accountId: session.accountId });
          grant.addOIDCScope('openid');
          grant.addResourceScope(resource, '');
          await grant.save();
          return grant;
        },
        pkce: { required: () => true },
        scopes: ['openid'],
      });
      const answer = provider.callback();
      server.removeAllListeners('request');
      server.on('request', async (request, response) => {
        if (!request.url?.startsWith('/interaction/')) return answer(request, response);
        if (request.method !== 'POST') return response.setHeader('content-type', 'text/html').end(FORM);
        const parts: Buffer[] = [];
        for await (const part of request) parts.push(part as Buffer);
        const form = new URLSearchParams(Buffer.concat(parts).toString());
        const result = form.has('cancel')
          ? { error: 'access_denied', error_description: 'The user has cancelled.' }
          : { login: { accountId: form.get('name') } };
        await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
      });
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return made;
}
