/** A system with nothing but a WSDL joins the graph: drafted without a change to it, answering by key and by building, degraded when an element is gone. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { simulator } from '../connectors/configured/simulator/heating.ts';
import { world } from '../connectors/kit/testing/park/index.ts';
import { type Running, readJournal } from '../connectors/kit/testing/simulator.ts';
import { undoOnboard } from '../gateway/commands/actions/onboard.ts';
import type { Hub } from '../gateway/main.ts';
import { until } from './hub.ts';
import { type Onboarding, onboarding } from './onboarding.ts';

const WSDL = join(import.meta.dirname, '..', 'connectors', 'configured', 'wsdl', 'heating', 'heating.wsdl');
let park: Onboarding;
let heating: Running;
let hub: Hub;

beforeAll(async () => {
  park = await onboarding();
  const options = { directory: park.directory, world: world(), now: () => new Date(), history: 0, live: false };
  heating = await simulator.start(options);
  park.secrets['HEATING_KEY'] = heating.env['LAKESIDE_HEATING_KEY'] ?? '';
});
afterAll(async () => {
  await heating?.close();
  await park?.close();
}, 30_000);

test('drafted, compared, written, answering', async () => {
  const more = { url: heating.env['LAKESIDE_HEATING_URL'] ?? '', headers: ['x-api-key=HEATING_KEY'] };
  const { told } = await park.run('wsdl', WSDL, 'heating', more);
  expect(told).toContain('left alone, since they may change something: SetTarget');
  expect(told).toContain('12 rows; the first: { serial: "HS-100"');
  expect(told).toContain('by serial: one call each; 100 cost 100 calls (GetStation takes one)');
  expect(told).toContain('Building.stations: one call for up to 100 (ListStations by sites.site)');
  expect(told).toContain('+ type Station');
  expect(told).toContain(' 0 broken');
  expect(told + readFileSync(park.file, 'utf8')).not.toContain(park.secrets['HEATING_KEY']);
  expect(readJournal(park.directory).map((one) => one.operation)).toEqual(['ListStations']);

  hub = await park.start({ drift: 300 });
  const { data, errors } = await until('the stations answer', 20, async () => {
    const answer = await park.ask(`{
      park(id: "lakeside") { buildings { id stations { totalCount nodes { id state supplyTemperature heat building: site { id } provenance { source stale } } } } }
      station(id: "lakeside-heating:HS-100") { serial supplyTemperatureUnit }
    }`);
    return answer.data?.park?.buildings[0]?.stations ? answer : null;
  });
  expect(errors).toBeUndefined();
  expect(data.park.buildings.map((one: { stations: { totalCount: number } }) => one.stations.totalCount)).toEqual([
    1, 1,
  ]);
  expect(data.park.buildings[1].stations.nodes[0]).toMatchObject({
    ...{ id: 'lakeside-heating:HS-101', building: { id: 'b2' } },
    provenance: { source: 'lakeside-heating', stale: false },
  });
  expect(data.station).toEqual({ serial: 'HS-100', supplyTemperatureUnit: 'Cel' });
  // Both buildings at once.
  const asked = readJournal(park.directory, 'ListStations').filter((one) => String(one['body']).includes('B02'));
  expect(asked.length).toBeGreaterThan(0);
  expect(asked.every((one) => String(one['body']).includes('B01'))).toBe(true);
}, 60_000);

test('an element that is gone from the description makes it DEGRADED; a key that is not there is a fault until it is named', async () => {
  const source = () => hub.sources().find((one) => one.id === 'lakeside-heating');
  await until('it is up', 20, () => source()?.state === 'UP');
  const missing = () => park.ask('{ station(id: "lakeside-heating:HS-9") { serial } }');
  expect((await missing()).errors?.[0]?.extensions['code']).toBe('SOURCE_REJECTED');
  writeFileSync(
    park.file,
    readFileSync(park.file, 'utf8').replace('    zone:', '    absent: StationNotFound\n    zone:'),
  );
  await hub.change(park.read());
  expect(await missing()).toEqual({ data: { station: null } });

  const copy = join(park.directory, 'islands', 'heating.wsdl');
  writeFileSync(copy, readFileSync(copy, 'utf8').replace(/<xs:element name="pressure"[^>]*>/, ''));
  await until('the drift is told', 30, () => source()?.state === 'DEGRADED');
  expect(source()?.reason).toMatch(/element GetStation\.station\.supply\.pressure is gone .*Station\.supplyPressure/);
  undoOnboard({ system: 'heating', config: park.file, say: () => undefined });
  expect(existsSync(copy)).toBe(false);
  expect(await hub.change(park.read())).toMatchObject({ removed: ['heating'] });
}, 60_000);
