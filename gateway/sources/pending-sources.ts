/** Islands by configuration that cannot be made yet: they stand in the list as DOWN with the reason, and are tried again. */

import { settings } from '../../connectors/kit/config/settings.ts';
import { type AnyConnector, DeclarationError } from '../../connectors/kit/connector.ts';

/** Pauses between two tries, in milliseconds: doubled up to the last. */
const FIRST = 1_000;
const LAST = 16_000;

/** Why an island waits, as of the last try. */
export interface Waiting {
  fault: DeclarationError;
}

/** Stands for a connector that cannot be made: every check says why. It is no part of the graph. */
export const waitingConnector = (name: string, waiting: Waiting): AnyConnector => ({
  name,
  settings: settings(name, {}),
  graph: { sdl: 'type Query { "Nothing yet." waiting: Boolean }', fields: {}, rows: {} },
  protocol: () => name,
  open: async () => ({
    request: () => ({}),
    check: async () => {
      throw waiting.fault;
    },
    close: async () => undefined,
  }),
});

/** A composition's or a description's fault as what a source's reason shows: its first line. */
export const waitingFor = (error: Error): DeclarationError =>
  error instanceof DeclarationError ? error : new DeclarationError(error.message.split('\n')[0] ?? '', error.message);

/** Tries again until it is told that nothing waits any more. */
export class Retries {
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `work` answers whether something still waits; a rejection is one more try. */
  start(work: () => Promise<boolean>, pause = FIRST): void {
    if (this.#closed || this.#timer) return;
    this.#timer = setTimeout(async () => {
      const waits = await work().catch(() => true);
      this.#timer = undefined;
      if (waits) this.start(work, Math.min(pause * 2, LAST));
    }, pause);
    this.#timer.unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
