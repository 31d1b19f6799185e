/** Fills the variables of the example operations with a park and company that the caller can access. */
import { withTimes } from './relative-times.ts';

export interface Example {
  readonly name: string;
  readonly query: string;
  /** May contain `@park`, `@company` and relative times such as `@now`; null: it has none. */
  readonly variables: Readonly<Record<string, unknown>> | null;
}

/** A park and a company that the caller can access; null: none. */
export interface CallerValues {
  readonly park: string | null;
  readonly company: string | null;
}

export const NO_VALUES: CallerValues = { park: null, company: null };
export const CALLER_VALUES_QUERY = 'query ExplorerExamples { parks { id } companies(first: 1) { nodes { uscc } } }';

/** Texts for variables without a value. */
export interface Placeholders {
  readonly park: string;
  readonly company: string;
}

/** Reads the response to `CALLER_VALUES_QUERY`; rejected or missing parts are null. */
export function readCallerValues(response: unknown): CallerValues {
  const { data } = (response ?? {}) as {
    data?: { parks?: { id?: unknown }[]; companies?: { nodes?: { uscc?: unknown }[] } };
  };
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
  return { park: text(data?.parks?.[0]?.id), company: text(data?.companies?.nodes?.[0]?.uscc) };
}

/** The variables of an example as JSON; undefined: it has none. */
export function fillVariables(
  variables: Example['variables'],
  callerValues: CallerValues,
  placeholders: Placeholders,
  now: Date,
): string | undefined {
  if (variables === null) return undefined;
  const values = withTimes(variables, now);
  for (const [name, value] of Object.entries(values)) {
    if (value === '@park') values[name] = callerValues.park ?? placeholders.park;
    if (value === '@company') values[name] = callerValues.company ?? placeholders.company;
  }
  return JSON.stringify(values, null, 2);
}

/** The used part of the browser's storage interface. */
export interface KeyValueStore {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
  removeItem(name: string): void;
}

/** An example in a tab of the editor. */
export interface ExampleTab {
  readonly query: string;
  readonly variables: string | undefined;
}

/** Storage keys: the tabs and the active tab of GraphiQL, and the variables that this page filled in, by text of the example. */
const TABS = 'graphiql:tabState';
const QUERY = 'graphiql:query';
const VARIABLES = 'graphiql:variables';
const HISTORY = 'graphiql:queries';
const FILLED = 'isthmus:filled';

/**
 * Updates the variables of tabs from an earlier visit if they still contain what the page filled in then; edited variables are kept.
 * Call before GraphiQL reads its storage.
 */
export function refreshTabs(store: KeyValueStore, tabs: readonly ExampleTab[]): void {
  const before = parseJson(store.getItem(FILLED)) as Record<string, string> | null;
  const fresh = Object.fromEntries(tabs.map(({ query, variables }) => [query, variables ?? '']));
  store.setItem(FILLED, JSON.stringify(fresh));
  const state = parseJson(store.getItem(TABS)) as {
    activeTabIndex?: unknown;
    tabs?: { query?: unknown; variables?: unknown }[];
  } | null;
  for (const tab of state?.tabs ?? []) {
    const { query } = tab;
    if (before === null || typeof query !== 'string' || !Object.hasOwn(fresh, query)) continue;
    if ((tab.variables ?? '') === before[query]) tab.variables = fresh[query] || null;
  }
  if (state) store.setItem(TABS, JSON.stringify(state));
  // GraphiQL shows these first; it reads the active tab's own texts only when the tab is selected again.
  const active = state?.tabs ? state.tabs[Number(state.activeTabIndex)] : tabs[0];
  for (const [name, value] of [
    [QUERY, active?.query],
    [VARIABLES, active?.variables],
  ] as const) {
    if (typeof value === 'string') store.setItem(name, value);
    else store.removeItem(name);
  }
}

/** At sign-out: removes the caller's values from the example variables, and the history of executed operations. */
export function forgetVisit(store: KeyValueStore, tabs: readonly ExampleTab[]): void {
  refreshTabs(store, tabs);
  store.removeItem(HISTORY);
}

function parseJson(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
