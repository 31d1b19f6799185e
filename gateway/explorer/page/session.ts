/** The signed-in caller: token, role and parks, and expiry with refresh. */
import type { KeyValueStore } from './examples.ts';
import type { Messages } from './messages.ts';
import type { Grant } from './sign-in.ts';

/** The caller as reported by the hub. `expires` null: the anonymous role, without a token. */
export interface Caller {
  readonly subject: string;
  readonly client: string;
  readonly roles: readonly string[];
  readonly parks: readonly string[] | null;
  readonly companies: readonly string[] | null;
  readonly expires: string | null;
}

export type State =
  | { readonly kind: 'starting' }
  /** Not signed in, and the hub has no anonymous role. */
  | { readonly kind: 'out'; readonly message?: string }
  | { readonly kind: 'in'; readonly caller: Caller; readonly message?: string }
  /** The token has expired or was rejected. Input is kept; queries are not possible. */
  | { readonly kind: 'ended'; readonly caller: Caller; readonly message: string };

export interface SessionOptions {
  /** URL of `/explorer/caller`, which returns the caller of a token. */
  readonly callerUrl: URL;
  readonly fetch: typeof fetch;
  /** The tab's session storage. */
  readonly store: KeyValueStore;
  readonly messages: Messages;
  readonly now?: () => number;
}

/** Key of the token in the tab's session storage, where it survives a reload of the page. */
const TOKEN = 'isthmus:token';
/** Milliseconds before its expiry at which a token is refreshed; half of its lifetime if that is shorter. */
const REFRESH_BEFORE = 30_000;
/** Maximum delay of one timer in milliseconds; browsers allow at most 24 days. */
const MAX_TIMER = 3_600_000;

export class Session {
  readonly #options: SessionOptions;
  readonly #listeners = new Set<() => void>();
  #state: State = { kind: 'starting' };
  #token: string | null = null;
  #refresh: Grant['refresh'] = null;
  #refreshing: Promise<void> | null = null;
  /** Milliseconds before expiry at which the current token is refreshed. */
  #refreshBefore = REFRESH_BEFORE;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get state(): State {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Signs in with the token stored in this tab, else with the anonymous role if the hub has one. `message`: shown with the new state. */
  async start(message?: string): Promise<void> {
    const token = this.#options.store.getItem(TOKEN);
    if (token !== null && message === undefined) {
      const error = await this.signIn({ token, refresh: null });
      if (error === null) return;
      if (error !== this.#options.messages.hubUnreachable) this.#options.store.removeItem(TOKEN);
      return this.start(error);
    }
    const { caller, error } = await this.#fetchCaller(null);
    const text = message ?? error;
    const extra = text === undefined ? {} : { message: text };
    this.#set(caller ? { kind: 'in', caller, ...extra } : { kind: 'out', ...extra });
  }

  /** Signs in with a token. Resolves with null, or with the error message if the hub rejects it; the state is then unchanged. */
  async signIn(grant: Grant): Promise<string | null> {
    const { caller, error } = await this.#fetchCaller(grant.token);
    if (!caller) return error ?? this.#options.messages.hubUnreachable;
    this.#token = grant.token;
    this.#refresh = grant.refresh;
    this.#options.store.setItem(TOKEN, grant.token);
    this.#set({ kind: 'in', caller });
    this.#refreshBefore = Math.min(REFRESH_BEFORE, this.#remaining() / 2);
    this.#scheduleCheck();
    return null;
  }

  /** The token for a request, refreshed if it is about to expire; null: the anonymous role. */
  async token(): Promise<string | null> {
    if (this.#refresh && this.#remaining() <= this.#refreshBefore) await this.#renew();
    return this.#token;
  }

  /** Ends the session after the hub has rejected the token. */
  handleRejected(message: string): void {
    if (this.#state.kind !== 'in' || this.#token === null) return;
    this.#end(this.#options.messages.tokenRejected(message));
  }

  /** Deletes the token. The caller must reload the page, so that no result stays in memory. */
  signOut(): void {
    this.#forget();
    this.#set({ kind: 'out' });
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#token = null;
    this.#refresh = null;
    this.#options.store.removeItem(TOKEN);
  }

  #end(message: string): void {
    const { caller } = this.#state as { caller: Caller };
    this.#forget();
    this.#set({ kind: 'ended', caller, message });
  }

  /** Milliseconds until the token expires. */
  #remaining(): number {
    const expires = this.#state.kind === 'in' ? this.#state.caller.expires : null;
    return expires === null ? Number.POSITIVE_INFINITY : Date.parse(expires) - this.#now();
  }

  /** Schedules the next refresh or the end of the session. */
  #scheduleCheck(): void {
    clearTimeout(this.#timer);
    const remaining = this.#remaining();
    if (remaining === Number.POSITIVE_INFINITY) return;
    if (remaining <= 0) {
      this.#end(this.#expiredMessage());
      return;
    }
    const wait = this.#refresh ? Math.max(remaining - this.#refreshBefore, 0) : remaining;
    this.#timer = setTimeout(
      () => {
        if (this.#refresh && this.#remaining() <= this.#refreshBefore) void this.#renew();
        else this.#scheduleCheck();
      },
      Math.min(wait, MAX_TIMER),
    );
  }

  /** One at a time: a refresh token can be used once. */
  #renew(): Promise<void> {
    this.#refreshing ??= (async () => {
      const refresh = this.#refresh;
      // A failed refresh is not repeated: the token is used until it expires.
      this.#refresh = null;
      const grant = await refresh?.().catch(() => null);
      const error = grant ? await this.signIn(grant) : null;
      if (!grant || error) this.#scheduleCheck();
    })().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  #expiredMessage(): string {
    const expires = this.#state.kind === 'in' ? this.#state.caller.expires : null;
    return this.#options.messages.ended(formatTime(expires ?? new Date(this.#now()).toISOString()));
  }

  async #fetchCaller(token: string | null): Promise<{ caller: Caller | null; error?: string }> {
    const { messages } = this.#options;
    let headers: Headers;
    try {
      headers = new Headers(token === null ? {} : { authorization: `Bearer ${token}` });
    } catch {
      return { caller: null, error: messages.invalidToken };
    }
    try {
      const response = await this.#options.fetch(this.#options.callerUrl, { headers });
      const body = (await response.json()) as { caller?: Caller | null; errors?: { message: string }[] };
      const message = body.errors?.[0]?.message;
      if (response.status === 401) return { caller: null, error: messages.tokenRejected(message ?? '') };
      return response.ok ? { caller: body.caller ?? null } : { caller: null, error: messages.hubUnreachable };
    } catch {
      return { caller: null, error: messages.hubUnreachable };
    }
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now();
  }

  #set(state: State): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

/** The local time of day, with the date unless it is today. */
export function formatTime(time: string, now = new Date()): string {
  const at = new Date(time);
  const today = at.toDateString() === now.toDateString();
  return at.toLocaleString(undefined, { ...(today ? {} : { dateStyle: 'medium' }), timeStyle: 'short' });
}
