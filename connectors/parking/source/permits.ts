/** Permits granted and taken back: once each, found again by our own id, and answered as the vendor then shows them. */
import type { Call, Known, Services } from '../../kit/connector.ts';
import { badInput, unavailable } from '../../kit/errors.ts';
import * as mapping from '../mapping/index.ts';
import type { Grant, Lot, Permit } from '../model.ts';
import type { ParkingApi } from './http.ts';

const EXPAND = { expand: 'plannedUses' };
const at = (id: string): string => `/rights/assigned/${encodeURIComponent(id)}`;

export class Permits {
  readonly #services: Services;
  readonly #api: ParkingApi;
  readonly #named: (permits: readonly Permit[]) => Promise<void>;

  /** @param named keeps what the ids of the permits' vehicles mean, before anyone is told of them */
  constructor(services: Services, api: ParkingApi, named: (permits: readonly Permit[]) => Promise<void>) {
    this.#services = services;
    this.#api = api;
    this.#named = named;
  }

  /** `lots` is asked only when the grant is really sent: a repeated one is answered while the vendor is dark. */
  async grant(
    call: Call,
    clientMutationId: string,
    grant: Grant,
    lots: () => Promise<readonly Lot[]>,
  ): Promise<Known<Permit>> {
    const { once, guard, clock } = this.#services;
    const granted = await once(
      call,
      { mutation: 'grantParkingPermit', clientMutationId, payload: grant },
      async (ownId) => {
        const lot = (await lots()).find((one) => one.id === grant.lot);
        if (!lot) throw badInput('lot is not known to this parking system.');
        const specification = lot.specifications[0];
        if (!specification) throw badInput('No permits are granted for this lot.');
        const right = mapping.assignedRight(ownId, grant, specification, clock.now());
        await guard.act(call, 'grant permit', (signal) => this.#api.change('POST', '/rights/assigned', right, signal));
        const shown = await this.#permit(call, ownId);
        // Taken over there, but not shown yet: the next try asks for it by our id.
        if (shown === null) throw unavailable('the permit is not shown yet');
        return shown;
      },
      (ownId) => this.#permit(call, ownId),
    );
    await this.#named([granted.value]);
    return granted;
  }

  async revoke(call: Call, clientMutationId: string, id: string, reason: string | null): Promise<Known<Permit>> {
    const { once, guard, clock } = this.#services;
    const revoked = await once(
      call,
      { mutation: 'revokeParkingPermit', clientMutationId, payload: { permit: id, reason } },
      async () => {
        const raw = await this.#raw(call, id);
        if (raw === null) throw badInput('permit is not known to this parking system.');
        if (!mapping.permit(raw).revoked) {
          const right = mapping.cancelled(raw, clock.now(), reason);
          await guard.act(call, 'revoke permit', (signal) => this.#api.change('PUT', at(id), right, signal));
        }
        const shown = await this.#permit(call, id);
        if (!shown?.value.revoked) throw unavailable('the permit is not shown as revoked yet');
        return shown;
      },
      async () => {
        const shown = await this.#permit(call, id);
        return shown?.value.revoked ? shown : null;
      },
    );
    await this.#named([revoked.value]);
    return revoked;
  }

  async #raw(call: Call, id: string): Promise<unknown> {
    const found = await this.#services.guard.read(call, { operation: 'permit by id' }, (signal) =>
      this.#api.find(at(id), EXPAND, signal),
    );
    return found.value;
  }

  /** As the vendor shows it now; null when it has none of this id. */
  async #permit(call: Call, id: string): Promise<Known<Permit> | null> {
    const found = await this.#services.guard.read(call, { operation: 'permit by id' }, async (signal) => {
      const raw = await this.#api.find(at(id), EXPAND, signal);
      return raw === null ? null : mapping.permit(raw);
    });
    return found.value && { ...found, value: found.value };
  }
}
