/** Drift check: the fields that the mapping needs in the vendor's records, and the graph fields that depend on each. */
import type { Drift } from '../../kit/connector.ts';
import { findMissing, jsonPaths } from '../../kit/monitoring/drift.ts';
import { object } from './field-checks.ts';

/** The expected fields of one kind of record. */
export interface ExpectedRecord {
  /** The vendor's name of the record. */
  readonly record: string;
  readonly path: string;
  readonly expand: readonly string[];
  /** Query parameter that limits the sample to recent records; null to sample any. */
  readonly sinceParameter: string | null;
  /** Minimum sample size: in a smaller sample an optional field may be missing from all records. */
  readonly minRecords: number;
  /** Path in the record, to the graph fields that depend on it. */
  readonly fieldsByPath: Readonly<Record<string, readonly string[]>>;
}

const LOT_COUNT = ['ParkingLot.occupied', 'ParkingLot.free'];
const VEHICLES = ['Company.vehicles', 'Vehicle'];
const VALIDITY = ['ParkingPermit.validFrom', 'ParkingPermit.validTo', 'ParkingPermit.state'];

export const EXPECTED_RECORDS: readonly ExpectedRecord[] = [
  {
    record: 'place',
    path: '/places',
    expand: ['rightSpecifications', 'occupancy'],
    sinceParameter: null,
    minRecords: 3,
    fieldsByPath: {
      id: ['ParkingLot'],
      'name.string': ['ParkingLot.name'],
      'hierarchyElementReference.supply.supplyQuantity': ['ParkingLot.capacity', 'ParkingLot.free'],
      'hierarchyElementReference.demandTable.demandType.count': LOT_COUNT,
      'hierarchyElementReference.demandTable.demandType.recordDateTime': LOT_COUNT,
      'rightSpecifications.id': ['ParkingPermit.lot'],
    },
  },
  {
    record: 'session',
    path: '/sessions',
    expand: ['credentials', 'segments'],
    sinceParameter: 'start_after',
    minRecords: 10,
    fieldsByPath: {
      id: ['ParkingSession'],
      actualStart: ['ParkingSession.enteredAt', 'VehicleEntered'],
      'hierachyElement.id': ['ParkingSession.lot', 'VehicleEntered.lot', 'VehicleExited.lot'],
      'identifiedCredentials.identifier.id': ['Company.parkingSessions', 'ParkingSession.vehicle', 'Vehicle.session'],
      'identifiedCredentials.identifier.className': ['Company.parkingSessions', 'ParkingSession.vehicle'],
      'identifiedCredentials.plateColour': ['ParkingSession.vehicle', 'Vehicle.session', 'VehicleEntered.vehicle'],
    },
  },
  {
    record: 'right',
    path: '/rights/assigned',
    expand: ['plannedUses'],
    sinceParameter: null,
    minRecords: 10,
    fieldsByPath: {
      id: ['ParkingPermit'],
      'rightHolder.credentials.identifier.id': VEHICLES,
      'rightHolder.credentials.identifier.className': VEHICLES,
      'rightHolder.credentials.plateColour': VEHICLES,
      'rightSpecification.id': ['ParkingPermit.lot'],
      'plannedUses.startTime': VALIDITY,
    },
  },
  {
    record: 'observation',
    path: '/observations',
    expand: ['hierarchyElement'],
    sinceParameter: 'start_after',
    minRecords: 10,
    fieldsByPath: {
      id: ['OccupancySeries', 'OccupancyChanged'],
      observationStartTime: ['OccupancySeries', 'OccupancyChanged'],
      'hierarchyElement.elementId.id': ['OccupancySeries', 'OccupancyChanged.lot'],
      'hierarchyElement.demandTable.demandType.count': ['OccupancySeries', 'OccupancyChanged.occupied'],
    },
  },
];

/**
 * Expected fields that no record of a list response has; empty for fewer than `few` records. Throws SOURCE_MALFORMED for a response
 * that is not an object.
 */
export function findDrift(body: unknown, { record, minRecords: few, fieldsByPath: parts }: ExpectedRecord): Drift[] {
  const data = object(body, 'response')['data'];
  const records = Array.isArray(data) ? (data as unknown[]) : [];
  if (records.length < few) return [];
  const present = new Set(jsonPaths(records));
  // `hierachyElement` is the spelling of the standard; some vendors have corrected it.
  if (present.has('hierarchyElement.id')) present.add('hierachyElement.id');
  return findMissing(parts, present, (part) => `no ${record} of ${records.length} has ${part}`);
}
