/** Sign-out: removes the caller's values from the browser and reloads the page. Nothing is stored between the two. */
import { type ExampleTab, forgetVisit, type KeyValueStore } from './examples.ts';
import type { Session } from './session.ts';

/** The used part of localStorage and sessionStorage. */
export interface BrowserStorage extends KeyValueStore {
  readonly length: number;
  key(index: number): string | null;
}

/** Prefix of GraphiQL's keys. */
const EDITOR_KEYS = 'graphiql:';
/** Storage key of a message that is shown once after a reload. */
const NOTICE = 'isthmus:notice';

/**
 * A storage that can be closed. GraphiQL stores its tabs half a second after a change, through a function that it took from the
 * storage when the page was loaded: that must be a function of this class.
 */
export class ClosableStorage implements KeyValueStore {
  readonly #storage: BrowserStorage;
  #isClosed = false;

  constructor(storage: BrowserStorage) {
    this.#storage = storage;
  }

  get length(): number {
    return this.#storage.length;
  }

  getItem(name: string): string | null {
    return this.#storage.getItem(name);
  }

  /** Does nothing when closed. */
  setItem(name: string, value: string): void {
    if (!this.#isClosed) this.#storage.setItem(name, value);
  }

  removeItem(name: string): void {
    this.#storage.removeItem(name);
  }

  /** Removes what GraphiQL stored: its settings have a button for that. */
  clear(): void {
    const names = Array.from({ length: this.#storage.length }, (_, i) => this.#storage.key(i) ?? '');
    for (const name of names) if (name.startsWith(EDITOR_KEYS)) this.#storage.removeItem(name);
  }

  /** From now on nothing is stored. */
  close(): void {
    this.#isClosed = true;
  }
}

export interface SignOutOptions {
  readonly session: Session;
  /** The browser's storage, with the tabs of the editor. */
  readonly local: ClosableStorage;
  /** The tab's session storage, with the token. */
  readonly store: ClosableStorage;
  /** The examples with placeholders in place of the caller's values. */
  readonly examples: readonly ExampleTab[];
  /** Shown after the reload. */
  readonly notice: string;
  /** Reloads the page, which discards responses and subscriptions in memory. */
  reload(): void;
}

/** Removes the token and the caller's values, and reloads the page. */
export function signOut({ session, local, store, examples, notice, reload }: SignOutOptions): void {
  forgetVisit(local, examples);
  local.close();
  session.signOut();
  store.setItem(NOTICE, notice);
  store.close();
  reload();
}

/** Returns the message for this load of the page, and removes it. */
export function takeNotice(store: KeyValueStore): string | undefined {
  const notice = store.getItem(NOTICE) ?? undefined;
  store.removeItem(NOTICE);
  return notice;
}
