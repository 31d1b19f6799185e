/** From parking's model to what the graph shows; plates are masked here, after every cache. */

import { unmasked } from '../../kit/auth/principal.ts';
import type { GraphContext, Installed, Known } from '../../kit/connector.ts';
import { maskPlate } from '../../kit/identifiers.ts';
import { type Facts, provenance } from '../../kit/provenance.ts';
import type { Lot, Permit, Session, VehicleKey } from '../model.ts';
import type { ParkingRequest } from '../source/request.ts';

export type Context = GraphContext<ParkingRequest>;
export type At = Installed<ParkingRequest>;

/** A vehicle; its plate only for who may see plates. */
export function vehicle(
  key: VehicleKey & { readonly company?: string | null },
  at: At,
  facts: Facts,
  context: Context,
) {
  const open = unmasked(context.principal, 'Vehicle.plate');
  return {
    id: at.source.vehicleId(key),
    plate: open ? key.plate : null,
    plateMasked: maskPlate(key.plate),
    colour: key.colour,
    company: key.company ? { uscc: key.company } : null,
    provenance: provenance(facts, context.clock, { masked: open ? [] : ['plate'] }),
    key,
    owner: { park: at.park, company: key.company ?? null },
  };
}

export function lot(one: Lot, at: At, facts: Facts, context: Context) {
  const { capacity, occupied } = one;
  return {
    id: `${at.id}:${one.id}`,
    name: one.name,
    capacity,
    occupied,
    free: capacity === null || occupied === null ? null : Math.max(capacity - occupied, 0),
    provenance: provenance({ ...facts, recordedAt: one.measuredAt }, context.clock),
  };
}

export function session(one: Session, at: At, facts: Facts, context: Context) {
  return {
    id: `${at.id}:${one.id}`,
    enteredAt: one.enteredAt,
    exitedAt: one.exitedAt,
    fee: one.fee,
    vehicle: one.vehicle && vehicle({ ...one.vehicle, company: one.company }, at, facts, context),
    lotId: one.lot === null ? null : `${at.id}:${one.lot}`,
    owner: { park: at.park, company: one.company },
    provenance: provenance({ ...facts, recordedAt: one.exitedAt ?? one.enteredAt }, context.clock),
  };
}

export function permit(one: Permit, at: At, facts: Facts, context: Context) {
  const over = one.validTo !== null && one.validTo <= context.now();
  return {
    id: `${at.id}:${one.id}`,
    vehicle: one.vehicle && vehicle({ ...one.vehicle, company: one.company }, at, facts, context),
    at,
    specification: one.specification,
    company: one.company === null ? null : { uscc: one.company },
    validFrom: one.validFrom,
    validTo: one.validTo,
    state: one.revoked ? 'REVOKED' : over ? 'EXPIRED' : 'ACTIVE',
    provenance: provenance(facts, context.clock),
    owner: { park: at.park, company: one.company },
  };
}

export const knownLot = (known: Known<Lot | null>, at: At, context: Context) =>
  known.value && lot(known.value, at, known.facts, context);
