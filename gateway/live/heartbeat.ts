/** Milliseconds between comments on an idle stream and pings on an idle socket. Proxies close idle connections, most after 60 s, some after 30 s. */
export const HEARTBEAT_INTERVAL = 15_000;
