import { WebSocket } from 'ws'; // browsers and Node 22 have their own
import { follow } from './index.ts';

const live = follow({
  url: 'ws://localhost:34207/graphql',
  webSocket: WebSocket,
  query: `subscription ($after: Cursor) {
    events(after: $after) {
      ... on EventsBatch { cursor events { __typename id time kind } }
      ... on Gap { cursor fromTime toTime }
      ... on Lagged { cursor behind }
    }
  }`,
  // connectionParams: async () => ({ authorization: `Bearer ${await token()}` }),
});
for await (const { data } of live) {
  for (const event of data.events.events ?? []) console.log(event.time, event.kind);
  // Keep live.cursor with what you made of the events: `after` takes it at the next start.
}
