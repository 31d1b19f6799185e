/** Grants and revokes permits, each once per clientMutationId, and returns them as the vendor confirms them. */
import type { Call } from '../../kit/call.ts';
import type { Sourced } from '../../kit/connector.ts';
import { badInput, unavailable } from '../../kit/errors.ts';
import type { Services } from '../../kit/services.ts';
import * as mapping from '../mapping/index.ts';
import type { Grant, Lot, Permit } from '../model.ts';
import type { ParkingApi } from './parking-api.ts';

const EXPAND = { expand: 'plannedUses' };
const pathOf = (id: string): string => `/rights/assigned/${encodeURIComponent(id)}`;

export class Permits {
  readonly #services: Services;
  readonly #api: ParkingApi;
  readonly #saveVehicles: (permits: readonly Permit[]) => Promise<void>;

  /** @param saveVehicles stores the vehicles of the permits under their opaque ids before a permit is returned */
  constructor(services: Services, api: ParkingApi, saveVehicles: (permits: readonly Permit[]) => Promise<void>) {
    this.#services = services;
    this.#api = api;
    this.#saveVehicles = saveVehicles;
  }

  /**
   * Creates a permit under an id of the hub. A repeated call with the same clientMutationId returns the first result, also while
   * the vendor is down; `lots` is read only if the permit is sent. Throws BAD_USER_INPUT for a lot that has no permits.
   */
  async grant(
    call: Call,
    clientMutationId: string,
    grant: Grant,
    lots: () => Promise<readonly Lot[]>,
  ): Promise<Sourced<Permit>> {
    const { runOnce: once, guard, clock } = this.#services;
    const granted = await once(
      call,
      { mutation: 'grantParkingPermit', clientMutationId, payload: grant },
      async (ownId) => {
        const lot = (await lots()).find(({ id }) => id === grant.lot);
        if (!lot) throw badInput('Unknown lot: this parking system has no lot with this id.');
        const specification = lot.specifications[0];
        if (!specification) throw badInput('This lot does not offer permits. Choose another lot.');
        const right = mapping.assignedRight(ownId, grant, specification, clock.now());
        await guard.write(call, 'grant permit', (signal) =>
          this.#api.change('POST', '/rights/assigned', right, signal),
        );
        const created = await this.#readPermit(call, ownId);
        // Accepted but not readable yet: the next attempt looks it up by our id.
        if (created === null) throw unavailable('permit was accepted, but is not readable yet');
        return created;
      },
      (ownId) => this.#readPermit(call, ownId),
    );
    await this.#saveVehicles([granted.value]);
    return granted;
  }

  /** Cancels all uses of a permit. Sends nothing if it is revoked already. Throws BAD_USER_INPUT for an unknown permit. */
  async revoke(call: Call, clientMutationId: string, id: string, reason: string | null): Promise<Sourced<Permit>> {
    const { runOnce: once, guard, clock } = this.#services;
    const revoked = await once(
      call,
      { mutation: 'revokeParkingPermit', clientMutationId, payload: { permit: id, reason } },
      async () => {
        const raw = await this.#readRaw(call, id);
        if (raw === null) throw badInput('Unknown permit: this parking system has no permit with this id.');
        if (!mapping.permit(raw).revoked) {
          const right = mapping.cancelled(raw, clock.now(), reason);
          await guard.write(call, 'revoke permit', (signal) => this.#api.change('PUT', pathOf(id), right, signal));
        }
        const permit = await this.#readPermit(call, id);
        if (!permit?.value.revoked) throw unavailable('revocation was accepted, but the permit does not show it yet');
        return permit;
      },
      async () => {
        const permit = await this.#readPermit(call, id);
        return permit?.value.revoked ? permit : null;
      },
    );
    await this.#saveVehicles([revoked.value]);
    return revoked;
  }

  async #readRaw(call: Call, id: string): Promise<unknown> {
    const found = await this.#services.guard.read(call, { operation: 'permit by id' }, (signal) =>
      this.#api.getOrNull(pathOf(id), EXPAND, signal),
    );
    return found.value;
  }

  /** The permit as the vendor has it now; null if there is none with this id. */
  async #readPermit(call: Call, id: string): Promise<Sourced<Permit> | null> {
    const found = await this.#services.guard.read(call, { operation: 'permit by id' }, async (signal) => {
      const raw = await this.#api.getOrNull(pathOf(id), EXPAND, signal);
      return raw === null ? null : mapping.permit(raw);
    });
    return found.value && { ...found, value: found.value };
  }
}
