/** Who uses the page: the token, what the hub says of it, and when it ends. */
import type { Store } from './examples.ts';
import type { Words } from './messages.ts';
import type { Grant } from './sign-in.ts';

/** As the hub tells it. `expires` null: the anonymous role, without a token. */
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
  /** Nobody: nothing can be asked. */
  | { readonly kind: 'out'; readonly message?: string }
  | { readonly kind: 'in'; readonly caller: Caller; readonly message?: string }
  /** The token has ended or is refused now; what was written stays, nothing can be asked. */
  | { readonly kind: 'ended'; readonly caller: Caller; readonly message: string };

export interface SessionOptions {
  /** Tells who asks: `/explorer/caller`. */
  readonly address: URL;
  readonly fetch: typeof fetch;
  /** The tab's session storage. */
  readonly store: Store;
  readonly words: Words;
  readonly now?: () => number;
}

/** Where the tab keeps the token, so that it outlives a reload of the page and nothing else. */
const TOKEN = 'isthmus:token';
/** A token is refreshed when it ends sooner than this, in milliseconds; one that lives for less than twice that, in the middle of its life. */
const SOON = 30_000;
/** Timers of browsers hold 24 days at most. */
const LONGEST = 3_600_000;

export class Session {
  readonly #options: SessionOptions;
  readonly #listeners = new Set<() => void>();
  #state: State = { kind: 'starting' };
  #token: string | null = null;
  #refresh: Grant['refresh'] = null;
  #refreshing: Promise<void> | null = null;
  /** How long before its end the token is refreshed, in milliseconds. */
  #soon = SOON;
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

  /** Takes up the token of this tab, else the anonymous role where the hub has one. `message`: to be shown besides. */
  async start(message?: string): Promise<void> {
    const token = this.#options.store.getItem(TOKEN);
    if (token !== null && message === undefined) {
      const fault = await this.use({ token, refresh: null });
      if (fault === null) return;
      if (fault !== this.#options.words.hubAway) this.#options.store.removeItem(TOKEN);
      return this.start(fault);
    }
    const answer = await this.#ask(null);
    const told = message ?? answer.fault;
    const more = told === undefined ? {} : { message: told };
    this.#set(answer.caller ? { kind: 'in', caller: answer.caller, ...more } : { kind: 'out', ...more });
  }

  /** Signs in by a token, if the hub takes it; else what the hub says, and all stays as it is. */
  async use(grant: Grant): Promise<string | null> {
    const { caller, fault } = await this.#ask(grant.token);
    if (!caller) return fault ?? this.#options.words.hubAway;
    this.#token = grant.token;
    this.#refresh = grant.refresh;
    this.#options.store.setItem(TOKEN, grant.token);
    this.#set({ kind: 'in', caller });
    this.#soon = Math.min(SOON, this.#left() / 2);
    this.#watch();
    return null;
  }

  /** The token to ask with, refreshed where it is about to end; null: the anonymous role. */
  async token(): Promise<string | null> {
    if (this.#refresh && this.#left() <= this.#soon) await this.#renew();
    return this.#token;
  }

  /** The hub does not take the token any more. */
  refused(message: string): void {
    if (this.#state.kind !== 'in' || this.#token === null) return;
    this.#end(this.#options.words.hubSays(message));
  }

  /** Forgets the token. The page is to be loaded anew: nothing that was shown stays in memory. */
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

  /** Milliseconds until the token ends. */
  #left(): number {
    const expires = this.#state.kind === 'in' ? this.#state.caller.expires : null;
    return expires === null ? Number.POSITIVE_INFINITY : Date.parse(expires) - this.#now();
  }

  #watch(): void {
    clearTimeout(this.#timer);
    const left = this.#left();
    if (left === Number.POSITIVE_INFINITY) return;
    if (left <= 0) {
      this.#end(this.#endedAt());
      return;
    }
    const wait = this.#refresh ? Math.max(left - this.#soon, 0) : left;
    this.#timer = setTimeout(
      () => {
        if (this.#refresh && this.#left() <= this.#soon) void this.#renew();
        else this.#watch();
      },
      Math.min(wait, LONGEST),
    );
  }

  /** One at a time: a refresh token is good once. */
  #renew(): Promise<void> {
    this.#refreshing ??= (async () => {
      const refresh = this.#refresh;
      // What fails is not tried again: the token is used to its end.
      this.#refresh = null;
      const grant = await refresh?.().catch(() => null);
      const fault = grant ? await this.use(grant) : null;
      if (!grant || fault) this.#watch();
    })().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  #endedAt(): string {
    const expires = this.#state.kind === 'in' ? this.#state.caller.expires : null;
    return this.#options.words.ended(clock(expires ?? new Date(this.#now()).toISOString()));
  }

  async #ask(token: string | null): Promise<{ caller: Caller | null; fault?: string }> {
    const { words } = this.#options;
    let headers: Headers;
    try {
      headers = new Headers(token === null ? {} : { authorization: `Bearer ${token}` });
    } catch {
      return { caller: null, fault: words.noToken };
    }
    try {
      const answer = await this.#options.fetch(this.#options.address, { headers });
      const body = (await answer.json()) as { caller?: Caller | null; errors?: { message: string }[] };
      const message = body.errors?.[0]?.message;
      if (answer.status === 401) return { caller: null, fault: words.hubSays(message ?? '') };
      return answer.ok ? { caller: body.caller ?? null } : { caller: null, fault: words.hubAway };
    } catch {
      return { caller: null, fault: words.hubAway };
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

/** The time of day; with its date where that is not today. */
export function clock(time: string, now = new Date()): string {
  const at = new Date(time);
  const today = at.toDateString() === now.toDateString();
  return at.toLocaleString(undefined, { ...(today ? {} : { dateStyle: 'medium' }), timeStyle: 'short' });
}
