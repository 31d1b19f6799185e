/** The vendor's APDS (ISO/TS 5206-1) records, with the attributes that its manual requires. */
import type { Lot, Vehicle, World } from '../../kit/testing/park/index.ts';

/** A right as the back office stores it. */
export interface Right {
  id: string;
  version: number;
  plate: string;
  colour: string;
  /** Id of the right specification; there is one per lot. */
  specification: string;
  creditCode: string | null;
  contractNumber: string | null;
  issued: string;
  expiry: string | null;
  uses: { startTime: string; endTime?: string; cancelTime?: string }[];
  notes?: unknown;
  /** Seconds since the epoch. */
  modified: number;
}

/** A car's stay. */
export interface Stay {
  readonly id: string;
  readonly vehicle: Vehicle;
  readonly lot: string;
  readonly start: Date;
  end: Date | null;
}

/** One reading of a lot's counter. */
export interface Reading {
  readonly id: string;
  readonly lot: string;
  readonly at: Date;
  readonly count: number;
}

export const specificationOf = (lot: string): string => `RS-${lot}`;
const ISSUER = [{ language: 'zh', string: '湖滨停车' }];
const reference = (id: string, className: string) => ({ id, version: 1, className });

const plateCredential = (plate: string, colour: string) => ({
  type: 'licensePlate',
  identifier: { className: 'VehicleCredential', id: plate },
  issuer: ISSUER,
  plateColour: colour,
});
const holderCredentials = (creditCode: string | null, contractNumber: string | null) => [
  ...(creditCode === null
    ? []
    : [{ type: 'electronicID', identifier: { className: 'CustomerCredential', id: creditCode }, issuer: ISSUER }]),
  ...(contractNumber === null
    ? []
    : [{ type: 'permit', identifier: { className: 'OtherCredential', id: contractNumber }, issuer: ISSUER }]),
];

/** Number of a company's parking contract. */
export const contractOf = (world: World, uscc: string): string | null => {
  const company = world.companies.find((candidate) => candidate.uscc === uscc);
  return company ? `PK-${company.tenantNo.slice(2)}` : null;
};

/** Supply and, if requested, the counted demand. */
const element = (lot: Lot, reading: { count: number; at: Date } | null) => ({
  elementId: reference(lot.id, 'Place'),
  supply: [{ supplyViewType: 'vehicleView', supplyQuantity: lot.capacity }],
  ...(reading === null
    ? {}
    : {
        demandTable: [
          {
            timestamp: reading.at.toISOString(),
            demandType: [
              {
                count: reading.count,
                occupancyCalculation: 'counted',
                percentage: Math.round((reading.count / lot.capacity) * 1000) / 10,
                recordDateTime: reading.at.toISOString(),
              },
            ],
          },
        ],
      }),
});

export const place = (lot: Lot, reading: { count: number; at: Date }, expand: ReadonlySet<string>) => ({
  id: lot.id,
  version: 1,
  type: 'parkingPlace',
  layer: 1,
  name: [{ language: 'zh', string: lot.name }],
  timeZone: 'Asia/Shanghai',
  hierarchyElementRecord: { creationTime: '2024-01-01T00:00:00Z' },
  hierarchyElementReference: element(lot, expand.has('occupancy') ? reading : null),
  ...(expand.has('rightSpecifications')
    ? { rightSpecifications: [reference(specificationOf(lot.id), 'RightSpecification')] }
    : {}),
});

export const observation = (lot: Lot, reading: Reading, expand: ReadonlySet<string>) => ({
  id: reading.id,
  version: 1,
  method: 'anpr',
  observationStartTime: reading.at.toISOString(),
  creationDateTime: reading.at.toISOString(),
  location: { observerLocation: { type: 'Point', coordinates: [106.5, 29.6] } },
  observerOrganisation: reference('lakeside-parking', 'Organisation'),
  ...(expand.has('hierarchyElement') ? { hierarchyElement: element(lot, reading) } : {}),
});

export const session = (world: World, stay: Stay, expand: ReadonlySet<string>) => {
  const hours = stay.end ? Math.ceil((stay.end.getTime() - stay.start.getTime()) / 3_600_000) : 0;
  const segment = {
    id: `${stay.id}-1`,
    version: 1,
    actualStart: stay.start.toISOString(),
    ...(stay.end ? { actualEnd: stay.end.toISOString() } : {}),
    assignedRight: reference(rightId(stay.vehicle), 'AssignedRight'),
    validationType: ['licensePlate'],
    ...(stay.end && expand.has('segments.financialTransactions')
      ? { financialTransactions: [{ value: { currencyType: 'CNY', currencyValue: hours * 2 } }] }
      : {}),
  };
  return {
    id: stay.id,
    version: stay.end ? 2 : 1,
    actualStart: stay.start.toISOString(),
    ...(stay.end ? { actualEnd: stay.end.toISOString() } : {}),
    initiator: reference(`gate-${stay.lot}`, 'SupplementalEquipment'),
    // The spelling of the standard.
    hierachyElement: reference(stay.lot, 'Place'),
    identifiedCredentials: [
      plateCredential(stay.vehicle.plate, stay.vehicle.colour),
      ...holderCredentials(stay.vehicle.company, contractOf(world, stay.vehicle.company)),
    ],
    segments: [segment],
  };
};

export const rightId = (vehicle: Vehicle): string => `R${String(vehicle.index + 1).padStart(5, '0')}`;

export const assignedRight = (right: Right, expand: ReadonlySet<string>) => ({
  id: right.id,
  version: right.version,
  rightHolder: {
    credentials: [
      plateCredential(right.plate, right.colour),
      ...holderCredentials(right.creditCode, right.contractNumber),
    ],
  },
  rightSpecification: reference(right.specification, 'RightSpecification'),
  issuanceTime: right.issued,
  ...(right.expiry === null ? {} : { expiry: right.expiry }),
  ...(expand.has('plannedUses') ? { plannedUses: right.uses } : {}),
  ...(right.notes === undefined ? {} : { notes: right.notes }),
});
