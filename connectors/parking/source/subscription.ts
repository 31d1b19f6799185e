/** Our subscription to the vendor's webhooks. */
import type { Services } from '../../kit/connector.ts';
import * as mapping from '../mapping/index.ts';
import type { ParkingApi } from './http.ts';

/** Asks the vendor to call `callback`. It forgets now and then, so its word on our subscription is asked for again and again. */
export async function keepSubscription(services: Services, api: ParkingApi, callback: string): Promise<void> {
  const { guard, read, state, transaction } = services;
  const call = services.call(10_000);
  const kept = await read((tx) => state.get<string>(tx, 'subscription'));
  if (kept) {
    const there = await guard.read(call, { operation: 'poll webhook registration' }, (signal) =>
      api.find(`/webhooks/${encodeURIComponent(kept)}`, {}, signal),
    );
    if (there.value !== null && mapping.subscription(there.value).endpoint === callback) return;
  }
  const made = await guard.act(call, 'register webhook', (signal) =>
    api.change('POST', '/webhooks', { endpoint: callback, topics: mapping.TOPICS }, signal),
  );
  await transaction((tx) => state.set(tx, 'subscription', mapping.subscription(made.value).id));
}
