/** What the vendor's records must hold for the graph to be what it is, and the fields of the graph that live on it. */
import type { Drift } from '../../kit/connector.ts';
import { missing, pathsOf } from '../../kit/monitoring/drift.ts';
import { object } from './checks.ts';

/** One kind of record. */
export interface Expected {
  /** As the vendor calls it. */
  readonly record: string;
  readonly path: string;
  readonly expand: readonly string[];
  /** Where only new ones tell how the vendor writes today: asked for from that parameter on. */
  readonly since: string | null;
  /** Fewer of them say nothing: what is optional may be missing in all. */
  readonly few: number;
  readonly parts: Readonly<Record<string, readonly string[]>>;
}

const LOT_COUNT = ['ParkingLot.occupied', 'ParkingLot.free'];
const VEHICLES = ['Company.vehicles', 'Vehicle'];
const WHEN = ['ParkingPermit.validFrom', 'ParkingPermit.validTo', 'ParkingPermit.state'];

export const EXPECTED: readonly Expected[] = [
  {
    record: 'place',
    path: '/places',
    expand: ['rightSpecifications', 'occupancy'],
    since: null,
    few: 3,
    parts: {
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
    since: 'start_after',
    few: 10,
    parts: {
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
    since: null,
    few: 10,
    parts: {
      id: ['ParkingPermit'],
      'rightHolder.credentials.identifier.id': VEHICLES,
      'rightHolder.credentials.identifier.className': VEHICLES,
      'rightHolder.credentials.plateColour': VEHICLES,
      'rightSpecification.id': ['ParkingPermit.lot'],
      'plannedUses.startTime': WHEN,
    },
  },
  {
    record: 'observation',
    path: '/observations',
    expand: ['hierarchyElement'],
    since: 'start_after',
    few: 10,
    parts: {
      id: ['OccupancySeries', 'OccupancyChanged'],
      observationStartTime: ['OccupancySeries', 'OccupancyChanged'],
      'hierarchyElement.elementId.id': ['OccupancySeries', 'OccupancyChanged.lot'],
      'hierarchyElement.demandTable.demandType.count': ['OccupancySeries', 'OccupancyChanged.occupied'],
    },
  },
];

/** What no record of a list answer has; nothing where they are few. Rejects (SOURCE_MALFORMED) where the answer is no list. */
export function driftOf(body: unknown, { record, few, parts }: Expected): Drift[] {
  const data = object(body, 'answer')['data'];
  const records = Array.isArray(data) ? (data as unknown[]) : [];
  if (records.length < few) return [];
  const there = new Set(pathsOf(records));
  // The standard spells it so; some vendors have mended it.
  if (there.has('hierarchyElement.id')) there.add('hierachyElement.id');
  return missing(parts, there, (part) => `no ${record} of ${records.length} has ${part}`);
}
