/** Connectors described in the configuration that cannot be built yet: listed as DOWN with the reason, and built again later. */

import { settings } from '../../connectors/kit/config/settings.ts';
import type { AnyConnector } from '../../connectors/kit/connector.ts';
import { DeclarationError } from '../../connectors/kit/errors.ts';

/** Milliseconds between attempts, doubled up to the maximum. */
const FIRST_DELAY = 1_000;
const MAX_DELAY = 16_000;

/** The error of the latest attempt to build a connector. */
export interface PendingReason {
  error: DeclarationError;
}

/** A substitute for a connector that cannot be built: every check fails with the reason. It is not part of the graph. */
export const pendingConnector = (name: string, reason: PendingReason): AnyConnector => ({
  name,
  settings: settings(name, {}),
  graph: { sdl: 'type Query { "Nothing yet." waiting: Boolean }', fields: {}, rows: {} },
  protocol: () => name,
  open: async () => ({
    request: () => ({}),
    check: async () => {
      throw reason.error;
    },
    close: async () => undefined,
  }),
});

/** The error as a `DeclarationError`; its short message, which becomes the source's reason, is the first line. */
export const toDeclarationError = (error: Error): DeclarationError =>
  error instanceof DeclarationError
    ? error
    : new DeclarationError((error.message.split('\n')[0] ?? '').replace(/:$/, ''), error.message);

/** Retries with increasing delays until no connector is pending. */
export class RetryTimer {
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `work` resolves with whether a connector is still pending; a rejection counts as pending. */
  start(work: () => Promise<boolean>, delay = FIRST_DELAY): void {
    if (this.#closed || this.#timer) return;
    this.#timer = setTimeout(async () => {
      const isPending = await work().catch(() => true);
      this.#timer = undefined;
      if (isPending) this.start(work, Math.min(delay * 2, MAX_DELAY));
    }, delay);
    this.#timer.unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
