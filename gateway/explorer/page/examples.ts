/** The example operations with variables of this installation, as its graph tells them to the caller. */
import { withTimes } from './relative-times.ts';

export interface Example {
  readonly name: string;
  readonly query: string;
  /** May hold `@park`, `@company`, `@now` and the like; null: it takes none. */
  readonly variables: Readonly<Record<string, unknown>> | null;
}

/** What the caller may see of the installation; null: nothing of the kind. */
export interface Own {
  readonly park: string | null;
  readonly company: string | null;
}

export const NOTHING: Own = { park: null, company: null };
export const OWN_QUERY = 'query ExplorerExamples { parks { id } companies(first: 1) { nodes { uscc } } }';

/** What stands in a variable for which nothing was found. */
export interface Missing {
  readonly park: string;
  readonly company: string;
}

/** Reads the answer to `OWN_QUERY`; parts that are refused or absent are null. */
export function ownOf(answer: unknown): Own {
  const { data } = (answer ?? {}) as {
    data?: { parks?: { id?: unknown }[]; companies?: { nodes?: { uscc?: unknown }[] } };
  };
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
  return { park: text(data?.parks?.[0]?.id), company: text(data?.companies?.nodes?.[0]?.uscc) };
}

/** The variables of an example as JSON; undefined: it takes none. */
export function filled(variables: Example['variables'], own: Own, missing: Missing, now: Date): string | undefined {
  if (variables === null) return undefined;
  const values = withTimes(variables, now);
  for (const [name, value] of Object.entries(values)) {
    if (value === '@park') values[name] = own.park ?? missing.park;
    if (value === '@company') values[name] = own.company ?? missing.company;
  }
  return JSON.stringify(values, null, 2);
}

/** The part of the browser's storage that is used. */
export interface Store {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
  removeItem(name: string): void;
}

/** An example as it stands in a tab. */
export interface Tab {
  readonly query: string;
  readonly variables: string | undefined;
}

/** Where GraphiQL keeps its tabs and the active one's texts, and what this page has filled in, by the example's text. */
const TABS = 'graphiql:tabState';
const QUERY = 'graphiql:query';
const VARIABLES = 'graphiql:variables';
const HISTORY = 'graphiql:queries';
const FILLED = 'isthmus:filled';

/**
 * Gives tabs that were kept from an earlier visit the variables of this one, where they still hold what the page filled in then: what
 * people have written stays. Called before GraphiQL reads its storage.
 */
export function refreshTabs(store: Store, tabs: readonly Tab[]): void {
  const before = parsed(store.getItem(FILLED)) as Record<string, string> | null;
  const fresh = Object.fromEntries(tabs.map((one) => [one.query, one.variables ?? '']));
  store.setItem(FILLED, JSON.stringify(fresh));
  const state = parsed(store.getItem(TABS)) as {
    activeTabIndex?: unknown;
    tabs?: { query?: unknown; variables?: unknown }[];
  } | null;
  for (const tab of state?.tabs ?? []) {
    const { query } = tab;
    if (before === null || typeof query !== 'string' || !Object.hasOwn(fresh, query)) continue;
    if ((tab.variables ?? '') === before[query]) tab.variables = fresh[query] || null;
  }
  if (state) store.setItem(TABS, JSON.stringify(state));
  // GraphiQL shows these first, and the tab's own only when one comes back to it.
  const active = state?.tabs ? state.tabs[Number(state.activeTabIndex)] : tabs[0];
  for (const [name, value] of [
    [QUERY, active?.query],
    [VARIABLES, active?.variables],
  ] as const) {
    if (typeof value === 'string') store.setItem(name, value);
    else store.removeItem(name);
  }
}

/** At sign-out: nothing of the installation's own stays in the examples' variables, and no operation that was run. */
export function forget(store: Store, tabs: readonly Tab[]): void {
  refreshTabs(store, tabs);
  store.removeItem(HISTORY);
}

function parsed(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
