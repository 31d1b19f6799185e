/** Derives the holder of each vehicle from the assigned rights. */
import type { Permit, VehicleKey } from '../model.ts';

/** Plate and colour as one key. */
export const vehicleKey = (vehicle: VehicleKey): string => `${vehicle.plate}|${vehicle.colour}`;

/** Whether a permit is in force at `now` or will be later: neither revoked nor expired. */
export const isCurrentOrFuture = (permit: Permit, now: Date): boolean =>
  !permit.revoked && (permit.validTo === null || permit.validTo > now);

/** The holder of each vehicle: that of the current or future permit with the latest start; null if there is none. */
export function currentHolders(
  permits: readonly Permit[],
  now: Date,
): { readonly vehicle: VehicleKey; readonly company: string | null }[] {
  const newest = new Map<string, { vehicle: VehicleKey; company: string | null; from: number }>();
  for (const permit of permits) {
    if (permit.vehicle === null) continue;
    const key = vehicleKey(permit.vehicle);
    const current = isCurrentOrFuture(permit, now);
    const from = current ? permit.validFrom.getTime() : Number.NEGATIVE_INFINITY;
    const previous = newest.get(key);
    if (!previous || from > previous.from)
      newest.set(key, { vehicle: permit.vehicle, company: current ? permit.company : null, from });
  }
  return [...newest.values()].map(({ vehicle, company }) => ({ vehicle, company }));
}
