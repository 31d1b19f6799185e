import type { Server } from 'node:net';

/** Where the hub listens when the environment does not say so. */
export const DEFAULT_PORT: number;
export const DEFAULT_HOST: string;

/** Body of `/healthz`. */
export const HEALTH: { readonly status: 'ok'; readonly program: 'isthmus' };

/** The port cannot be had; the message is a sentence for people. */
export class PortError extends Error {}

/**
 * Takes the port and holds it; answers 503 until an HTTP server takes it over by `server.listen(held)`, without a gap.
 * `command` is what the operator would type again, for the message; `told` gets a line of progress. Throws `PortError`.
 */
export function takePort(options: {
  host: string;
  port: number;
  command?: string;
  told?: (what: string, text: string) => void;
}): Promise<Server>;

/** Keeps a taken port for `heldPort`. */
export function holdPort(server: Server): void;

/** The port that this process took before, once; null when it took none. */
export function heldPort(): Server | null;
