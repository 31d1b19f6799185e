import type { Server } from 'node:net';

/** Default address of the hub. */
export const DEFAULT_PORT: number;
export const DEFAULT_HOST: string;

/** Body of `/healthz`. */
export const HEALTH: { readonly status: 'ok'; readonly program: 'isthmus' };

/** The port cannot be used; the message is written for operators. */
export class PortError extends Error {}

/**
 * Listens on the port and returns 503 until an HTTP server takes the port over with `server.listen(heldPort)`, without a gap.
 * `command` is repeated in the error message; `onProgress` receives a progress line. Rejects with `PortError`.
 */
export function takePort(options: {
  host: string;
  port: number;
  command?: string;
  onProgress?: (step: string, text: string) => void;
}): Promise<Server>;

/** Stores a port for `takeHeldPort`. */
export function holdPort(server: Server): void;

/** The port stored by `holdPort`, which it returns once; null if there is none. */
export function takeHeldPort(): Server | null;
