/** Parses NATS_URL. */

export interface NatsAddress {
  /** `host:port`, without user and password. */
  readonly servers: readonly string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly tls: boolean;
  /** For messages, without secrets. */
  readonly display: string;
}

/** Parses `nats://name:password@host:4222`, or several separated by commas; `tls://` requires TLS. Null for any other text. */
export function parseNatsAddress(text: string): NatsAddress | null {
  const parsed = text.split(',').map((part) => {
    try {
      return new URL(part.trim());
    } catch {
      return null;
    }
  });
  const urls = parsed.flatMap((url) => (url && /^(nats|tls):$/.test(url.protocol) && url.hostname ? [url] : []));
  const [first] = urls;
  if (!first || urls.length < parsed.length) return null;
  const servers = urls.map((url) => `${url.hostname}:${url.port || 4222}`);
  const [user, pass] = [decodeURIComponent(first.username), decodeURIComponent(first.password)];
  return {
    servers,
    ...(user && pass ? { user, pass } : user ? { token: user } : {}),
    tls: urls.some((url) => url.protocol === 'tls:'),
    display: servers.join(', '),
  };
}
