/** Registers the hub's webhook with the vendor. */
import type { Services } from '../../kit/services.ts';
import * as mapping from '../mapping/index.ts';
import type { ParkingApi } from './parking-api.ts';

/** Registers `callback` unless the stored registration still exists there. Run periodically: the vendor loses registrations. */
export async function ensureWebhookRegistered(services: Services, api: ParkingApi, callback: string): Promise<void> {
  const { guard, read, state, transaction } = services;
  const call = services.call(10_000);
  const registeredId = await read((tx) => state.get<string>(tx, 'subscription'));
  if (registeredId) {
    const existing = await guard.read(call, { operation: 'poll webhook registration' }, (signal) =>
      api.getOrNull(`/webhooks/${encodeURIComponent(registeredId)}`, {}, signal),
    );
    if (existing.value !== null && mapping.subscription(existing.value).endpoint === callback) return;
  }
  const created = await guard.write(call, 'register webhook', (signal) =>
    api.change('POST', '/webhooks', { endpoint: callback, topics: mapping.TOPICS }, signal),
  );
  await transaction((tx) => state.set(tx, 'subscription', mapping.subscription(created.value).id));
}
