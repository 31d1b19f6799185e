/** Whose vehicle it is: what follows from the rights to park. */
import type { Permit, VehicleKey } from '../model.ts';

/** A vehicle as one text. */
export const plateKey = (vehicle: VehicleKey): string => `${vehicle.plate}|${vehicle.colour}`;

/** Whether a permit holds at `now`, or will from its beginning on. */
export const holds = (permit: Permit, now: Date): boolean =>
  !permit.revoked && (permit.validTo === null || permit.validTo > now);

/** For each vehicle the holder of the right that began last among those that hold; nobody (null) where none holds. */
export function newestHolders(
  permits: readonly Permit[],
  now: Date,
): { readonly vehicle: VehicleKey; readonly company: string | null }[] {
  const newest = new Map<string, { vehicle: VehicleKey; company: string | null; from: number }>();
  for (const permit of permits) {
    if (permit.vehicle === null) continue;
    const key = plateKey(permit.vehicle);
    const counts = holds(permit, now);
    const from = counts ? permit.validFrom.getTime() : Number.NEGATIVE_INFINITY;
    const other = newest.get(key);
    if (!other || from > other.from)
      newest.set(key, { vehicle: permit.vehicle, company: counts ? permit.company : null, from });
  }
  return [...newest.values()].map(({ vehicle, company }) => ({ vehicle, company }));
}
