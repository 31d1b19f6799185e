/**
 * How often the hub says something on a connection that is idle, in milliseconds: a comment on a stream, a ping on a socket. Proxies
 * cut off what is silent, most after 60 s, some after 30 s.
 */
export const HEARTBEAT = 15_000;
