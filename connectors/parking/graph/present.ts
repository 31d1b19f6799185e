/** Converts the parking model to graph objects. Plates are masked here, after every cache. */

import { maskPlate } from '../../../schema/graph/identifiers.ts';
import { mayUnmask } from '../../kit/auth/principal.ts';
import type { GraphContext, InstallationHandle, Sourced } from '../../kit/connector.ts';
import { type ProvenanceFacts, provenance } from '../../kit/provenance.ts';
import type { Lot, Permit, Session, VehicleKey } from '../model.ts';
import type { ParkingRequest } from '../source/request-loaders.ts';

export type Context = GraphContext<ParkingRequest>;
export type ParkingInstallation = InstallationHandle<ParkingRequest>;

/** A vehicle; `plate` is null unless the caller may read plates. */
export function vehicle(
  key: VehicleKey & { readonly company?: string | null },
  at: ParkingInstallation,
  facts: ProvenanceFacts,
  context: Context,
) {
  const readable = mayUnmask(context.principal, 'Vehicle.plate');
  return {
    id: at.source.vehicleId(key),
    plate: readable ? key.plate : null,
    plateMasked: maskPlate(key.plate),
    colour: key.colour,
    company: key.company ? { uscc: key.company } : null,
    provenance: provenance(facts, context.clock, { masked: readable ? [] : ['plate'] }),
    key,
    at,
    owner: { park: at.park, company: key.company ?? null },
  };
}

export function lot(row: Lot, at: ParkingInstallation, facts: ProvenanceFacts, context: Context) {
  const { capacity, occupied } = row;
  return {
    id: `${at.id}:${row.id}`,
    name: row.name,
    capacity,
    occupied,
    free: capacity === null || occupied === null ? null : Math.max(capacity - occupied, 0),
    provenance: provenance({ ...facts, recordedAt: row.measuredAt }, context.clock),
  };
}

export function session(row: Session, at: ParkingInstallation, facts: ProvenanceFacts, context: Context) {
  return {
    id: `${at.id}:${row.id}`,
    enteredAt: row.enteredAt,
    exitedAt: row.exitedAt,
    fee: row.fee,
    vehicle: row.vehicle && vehicle({ ...row.vehicle, company: row.company }, at, facts, context),
    lotId: row.lot === null ? null : `${at.id}:${row.lot}`,
    owner: { park: at.park, company: row.company },
    provenance: provenance({ ...facts, recordedAt: row.exitedAt ?? row.enteredAt }, context.clock),
  };
}

export function permit(row: Permit, at: ParkingInstallation, facts: ProvenanceFacts, context: Context) {
  const expired = row.validTo !== null && row.validTo <= context.now();
  return {
    id: `${at.id}:${row.id}`,
    vehicle: row.vehicle && vehicle({ ...row.vehicle, company: row.company }, at, facts, context),
    at,
    specification: row.specification,
    company: row.company === null ? null : { uscc: row.company },
    validFrom: row.validFrom,
    validTo: row.validTo,
    state: row.revoked ? 'REVOKED' : expired ? 'EXPIRED' : 'ACTIVE',
    provenance: provenance(facts, context.clock),
    owner: { park: at.park, company: row.company },
  };
}

/** The lot, or null if the source does not know it. */
export const lotOrNull = (known: Sourced<Lot | null>, at: ParkingInstallation, context: Context) =>
  known.value && lot(known.value, at, known.facts, context);
