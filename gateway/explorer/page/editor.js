/** GraphiQL with the example operations as tabs; their variables contain a park and company of the caller. */
import { GraphiQL } from 'graphiql';
import { createElement as h, useEffect, useState } from 'react';
import { CALLER_VALUES_QUERY, fillVariables, NO_VALUES, readCallerValues, refreshTabs } from './examples.ts';

const logo = h(GraphiQL.Logo, null, h('span', { className: 'isthmus-logo' }, 'Isthmus'));

/** `storage`: where GraphiQL and this page store the tabs. */
export function Editor({ fetcher, operations, placeholders, storage }) {
  const [tabs, setTabs] = useState(null);
  useEffect(() => {
    let isUnmounted = false;
    fetcher({ query: CALLER_VALUES_QUERY, operationName: 'ExplorerExamples' })
      .then(readCallerValues)
      .catch(() => NO_VALUES)
      .then((callerValues) => {
        if (isUnmounted) return;
        const now = new Date();
        const filled = operations.map(({ query, variables }) => ({
          query,
          variables: fillVariables(variables, callerValues, placeholders, now),
        }));
        refreshTabs(storage, filled);
        setTabs(filled);
      });
    return () => {
      isUnmounted = true;
    };
  }, [fetcher, operations, placeholders, storage]);
  if (!tabs) return null;
  return h(
    GraphiQL,
    {
      fetcher,
      storage,
      defaultTabs: tabs,
      isHeadersEditorEnabled: true,
      defaultEditorToolsVisibility: 'variables',
      shouldPersistHeaders: false,
    },
    logo,
  );
}
