/** GraphiQL with the example operations as tabs, their variables filled in from what the caller may see. */
import { GraphiQL } from 'graphiql';
import { createElement as h, useEffect, useState } from 'react';
import { filled, NOTHING, OWN_QUERY, ownOf, refreshTabs } from './examples.ts';

const logo = h(GraphiQL.Logo, null, h('span', { className: 'isthmus-logo' }, 'Isthmus'));

export function Editor({ fetcher, operations, missing }) {
  const [tabs, setTabs] = useState(null);
  useEffect(() => {
    let gone = false;
    fetcher({ query: OWN_QUERY, operationName: 'ExplorerExamples' })
      .then(ownOf)
      .catch(() => NOTHING)
      .then((own) => {
        if (gone) return;
        const now = new Date();
        const made = operations.map(({ query, variables }) => ({
          query,
          variables: filled(variables, own, missing, now),
        }));
        refreshTabs(window.localStorage, made);
        setTabs(made);
      });
    return () => {
      gone = true;
    };
  }, [fetcher, operations, missing]);
  if (!tabs) return null;
  return h(
    GraphiQL,
    {
      fetcher,
      defaultTabs: tabs,
      isHeadersEditorEnabled: true,
      defaultEditorToolsVisibility: 'variables',
      shouldPersistHeaders: false,
    },
    logo,
  );
}
