/** A hub with two parks, each with its own companies, people and cars, and a sample of records of each. */
import { expect } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from '../../connectors/kit/auth/principal.ts';
import type { Host } from '../../connectors/kit/host/host.ts';
import { hubCall } from '../../connectors/kit/host/services.ts';
import { type DemoIssuer, openDemoIssuer } from '../../gateway/trust/tokens/demo-issuer.ts';
import { type GraphqlResponse, startTestHub, type TestHub, waitFor } from '../test-hub.ts';
import { OwnedValues } from './owned-values.ts';

export const PARKS = ['lakeside', 'riverside'] as const;
export type Park = (typeof PARKS)[number];

/** One record of each kind in one park; ids are global. */
export interface Sample {
  readonly park: Park;
  readonly uscc: string;
  readonly building: string;
  readonly door: string;
  readonly badge: string;
  readonly vehicle: string;
  readonly meter: string;
  readonly lot: string;
  readonly source: string;
  readonly case: string;
  readonly permit: string;
  readonly consent: string;
  readonly workOrder: string;
}

export interface TwoParks {
  readonly testHub: TestHub;
  readonly issuer: DemoIssuer;
  /** Time before the suite filed or emitted anything. */
  readonly began: string;
  readonly samples: Readonly<Record<Park, Sample>>;
  readonly ownedValues: OwnedValues;
  /** A company of lakeside that riverside also knows, under another name and number, with a case in each park. */
  readonly shared: string;
  host(name: string): Host;
  /** Queries a connector's subgraph directly, as the gateway does. */
  entities(
    host: Host,
    query: string,
    representations: readonly object[],
    principal: Principal,
  ): Promise<GraphqlResponse>;
}

/** Limits high enough for all queries of the suite. */
const LIMITS = 'limits: { cost: 100000000, calls: 100000, rate: 1000000000, fields: 20000 }\n';

export async function startTwoParks(): Promise<TwoParks> {
  const testHub = await startTestHub('embedded', {
    quiet: true,
    secondPark: 'riverside',
    settings: (text) => `${text}\n${LIMITS}`,
  });
  const issuer = await openDemoIssuer(testHub.data);
  const began = new Date().toISOString();
  const host = (name: string): Host => {
    const found = testHub.hub.registry.hosts().find((one) => one.name === name);
    if (!found) throw new Error(`There is no connector ${name}.`);
    return found;
  };
  const entities: TwoParks['entities'] = async (at, query, representations, principal) => {
    const call = { ...hubCall(20_000, AbortSignal.timeout(20_000)), principal };
    return JSON.parse(
      JSON.stringify(await at.subgraph.execute({ query, variables: { representations }, call })),
    ) as GraphqlResponse;
  };
  const samples = {} as Record<Park, Sample>;
  for (const park of PARKS) samples[park] = await sampleOf(park, testHub, issuer, host);
  const worlds = { lakeside: testHub.world, riverside: testHub.secondWorld as TestHub['world'] };
  const marks = new OwnedValues(worlds);
  await addIds(marks, host, entities, worlds);
  const shared = await shareCompany(worlds.lakeside, marks, host);
  return { testHub: testHub, issuer, began, samples, ownedValues: marks, shared, host, entities };
}

async function sampleOf(
  park: Park,
  testHub: TestHub,
  issuer: DemoIssuer,
  host: (name: string) => Host,
): Promise<Sample> {
  const codesOf = (world: TestHub['world']): Set<string> => new Set(world.companies.map(({ uscc }) => uscc));
  const [first, second] = [testHub.world, testHub.secondWorld as TestHub['world']].map(codesOf) as [
    Set<string>,
    Set<string>,
  ];
  const found = await waitFor(`a company with everything in ${park}`, 90, async () => {
    const { data } = await testHub.query(
      `{ park(id: "${park}") { lots { id } sources { id } buildings { id doors { id } workOrders(first: 1) { nodes { id } } }
        companies(first: 50) { nodes { uscc vehicles(first: 1) { nodes { id session { id } } } badges(first: 1, active: true) { nodes { id holder { id } lastSeen { id } } }
        meters(first: 1) { nodes { id } } tax { standing lastFiling { id } invoices(first: 1) { totalCount } } registration { status } presence { people(first: 1) { nodes { id } } } workOrders(first: 1) { nodes { id } } } } } }`,
    );
    const company = data?.park?.companies.nodes.find(
      // biome-ignore lint/suspicious/noExplicitAny: answers are read by path
      (node: any) =>
        // Generated codes may be equal in both parks.
        !(first.has(node.uscc) && second.has(node.uscc)) &&
        node.vehicles?.nodes.length &&
        node.badges?.nodes[0]?.lastSeen &&
        node.meters?.nodes.length &&
        node.tax &&
        node.presence?.people.nodes.length &&
        node.workOrders?.nodes.length &&
        node.registration,
    );
    return company && { company, park: data.park };
  });
  const { uscc, vehicles, badges, meters } = found.company;
  const as = async (role: 'company' | 'operator', document: string) => {
    const token = await issuer.sign({
      role,
      parks: role === 'operator' ? [park] : undefined,
      companies: role === 'company' ? [uscc] : undefined,
      seconds: 600,
    } as never);
    const answer = await testHub.query(document, {}, { token });
    expect(answer.errors).toBeUndefined();
    return answer.data;
  };
  const filed = await as(
    'company',
    `mutation { submitRegistration(input: { clientMutationId: "r-${park}", installation: "${park}-register", uscc: "${uscc}", legalName: "某某公司", legalRepresentative: "某某", capital: { value: "1", currency: "CNY" }, scope: "软件", address: "某地" }) { case { id } }
      requestTaxClearance(input: { clientMutationId: "t-${park}", installation: "${park}-tax", uscc: "${uscc}", until: "2026-12" }) { case { id } }
      grantConsent(input: { clientMutationId: "c-${park}", uscc: "${uscc}", client: "demo-portal", purpose: "tax" }) { consent { id } } }`,
  );
  const lot = found.park.lots[0].id as string;
  const granted = await as(
    'operator',
    `mutation { grantParkingPermit(input: { clientMutationId: "p-${park}", lot: "${lot}", plate: "京A${park === 'lakeside' ? '77777' : '88888'}", colour: BLUE, uscc: "${uscc}", validFrom: "2026-01-01T00:00:00Z" }) { permit { id } } }`,
  );
  const sample: Sample = {
    park,
    uscc,
    building: found.park.buildings[0].id,
    door: found.park.buildings[0].doors[0].id,
    badge: badges.nodes[0].id,
    vehicle: vehicles.nodes[0].id,
    meter: meters.nodes[0].id,
    lot,
    source: found.park.sources[0].id,
    case: filed.submitRegistration.case.id,
    permit: granted.grantParkingPermit.permit.id,
    consent: filed.grantConsent.consent.id,
    workOrder: found.company.workOrders.nodes[0].id,
  };
  await emitAll(sample, host);
  return sample;
}

/** Emits an event of each kind, and conflicting facts about a company. */
async function emitAll(sample: Sample, host: (name: string) => Host): Promise<void> {
  const { park, uscc: company, door, badge, vehicle, lot, meter, building } = sample;
  const events = {
    'access-control': [
      { kind: 'ACCESS_GRANTED', company, door, badge },
      { kind: 'ACCESS_DENIED', company, door, badge, data: { reason: 'wrong code' } },
      { kind: 'DOOR_STATE_CHANGED', door, data: { state: 'OPEN' } },
      { kind: 'SOURCE_STATE_CHANGED', data: { from: 'UP', to: 'DEGRADED' } },
    ],
    parking: [
      { kind: 'VEHICLE_ENTERED', company, vehicle, lot },
      { kind: 'VEHICLE_EXITED', company, vehicle, lot },
      { kind: 'OCCUPANCY_CHANGED', lot, data: { occupied: 3 } },
    ],
    energy: [
      { kind: 'METER_READING_TAKEN', company, meter, data: { value: '1', unit: 'kWh' } },
      { kind: 'METER_ALARM', company, meter, data: { alarm: 'no current' } },
    ],
    registration: [{ kind: 'REGISTRATION_CHANGED', company, data: { fields: ['address'] } }],
    tax: [{ kind: 'TAX_FILE_RECEIVED', company, data: { name: `${park}-daily.csv`, rows: 1, refused: 0 } }],
    'work-orders': [
      {
        kind: 'RECORD_CHANGED',
        company,
        data: { change: 'NEW', type: 'WorkOrder', record: sample.workOrder, building: { id: building } },
      },
    ],
  } as const;
  const names = {
    'access-control': 'access',
    parking: 'parking',
    energy: 'meters',
    registration: 'register',
    tax: 'tax',
    'work-orders': 'work-orders',
  };
  for (const [connector, list] of Object.entries(events)) {
    const services = host(connector).services(`${park}-${names[connector as keyof typeof names]}`);
    if (!services) throw new Error(`${connector} has no installation in ${park}.`);
    await services.transaction(async (tx) => {
      if (connector === 'tax')
        await services.identify(tx, [
          { entity: 'COMPANY', key: company, system: 'taxpayer', value: company, name: `${park} 另一名称` } as never,
        ]);
      await services.emit(
        tx,
        list.map((one, i) => ({ foreignId: `row rights ${i}`, time: new Date(), ...one }) as never),
      );
    });
  }
}

/** Makes a company of lakeside known in both parks; returns its code. */
async function shareCompany(
  lakeside: TestHub['world'],
  marks: OwnedValues,
  host: (name: string) => Host,
): Promise<string> {
  const { uscc, name } = lakeside.companies.at(-1) as { uscc: string; name: string };
  for (const park of PARKS) {
    const tax = host('tax').services(`${park}-tax`);
    const register = host('registration').services(`${park}-register`);
    if (!tax || !register) throw new Error(`${park} has no tax office or register.`);
    await tax.transaction(async (tx) => {
      const claim = {
        entity: 'COMPANY' as const,
        key: uscc,
        system: 'taxpayer',
        value: `${park}-0815`,
        facts: { name: `${park} 共享公司` },
      };
      await tax.identify(tx, [claim]);
    });
    await register.transaction(async (tx) => {
      const data = { state: 'SENT', kind: 'REGISTRATION', receipt: null, reason: null };
      const filed = { kind: 'CASE_CHANGED', company: uscc, case: register.globalId('shared'), data };
      await register.emit(tx, [{ foreignId: 'shared', time: new Date(), ...filed } as never]);
    });
    // The registered name is public in both parks; the name from a tax office is not.
    marks.add(park, uscc, uscc, name);
    marks.add(park, uscc, `${park} 共享公司`);
  }
  return uscc;
}

/** Adds the opaque ids of vehicles, persons, badges and meters with their company and park. */
async function addIds(
  marks: OwnedValues,
  host: (name: string) => Host,
  entities: TwoParks['entities'],
  worlds: Readonly<Record<Park, TestHub['world']>>,
): Promise<void> {
  for (const park of PARKS) {
    const companies = worlds[park].companies.map(({ uscc }) => ({ __typename: 'Company', uscc }));
    const queryCompanies = async (connector: string, selection: string) => {
      const query = `query ($representations: [_Any!]!) { _entities(representations: $representations) { ... on Company { uscc ${selection} } } }`;
      const answer = await entities(host(connector), query, companies, HUB_PRINCIPAL);
      expect(answer.errors).toBeUndefined();
      return answer.data._entities as (Record<string, { nodes: { id: string }[] }> & { uscc: string })[];
    };
    for (const one of await queryCompanies('access-control', 'badges(first: 200) { nodes { id holder { id } } }'))
      for (const badge of one['badges']?.nodes ?? [])
        marks.add(park, one.uscc, badge.id, (badge as { holder?: { id: string } | null }).holder?.id ?? null);
    for (const one of await queryCompanies('parking', 'vehicles(first: 200) { nodes { id } }'))
      for (const vehicle of one['vehicles']?.nodes ?? []) marks.add(park, one.uscc, vehicle.id);
    for (const one of await queryCompanies('energy', 'meters(first: 200) { nodes { id } }'))
      for (const meter of one['meters']?.nodes ?? []) marks.add(park, one.uscc, meter.id);
  }
}
