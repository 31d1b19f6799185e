/** NATS_URL: where the bus between replicas is. */

export interface BusAddress {
  /** For the library: without name and password. */
  readonly servers: readonly string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly tls: boolean;
  /** For people: nothing secret in it. */
  readonly shown: string;
}

/** Reads `nats://name:password@host:4222`, several by comma, `tls://` where it must be encrypted; null when it is no such address. */
export function readBusAddress(text: string): BusAddress | null {
  const parsed = text.split(',').map((one) => {
    try {
      return new URL(one.trim());
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
    shown: servers.join(', '),
  };
}
