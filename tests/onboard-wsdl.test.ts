/** `isthmus onboard` for a WSDL: draft without calling operations that write, queries by key and by building, drift detection. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { simulator } from '../connectors/configured/simulator/heating.ts';
import { createWorld } from '../connectors/kit/testing/park/index.ts';
import { type RunningSimulator, readJournal } from '../connectors/kit/testing/simulator.ts';
import { undoOnboard } from '../gateway/commands/actions/onboard.ts';
import type { Hub } from '../gateway/main.ts';
import { type OnboardingTest, startOnboardingTest } from './onboarding.ts';
import { waitFor } from './test-hub.ts';

const WSDL = join(import.meta.dirname, '..', 'connectors', 'configured', 'wsdl', 'heating', 'heating.wsdl');
let park: OnboardingTest;
let heating: RunningSimulator;
let hub: Hub;

beforeAll(async () => {
  park = await startOnboardingTest();
  const options = { directory: park.directory, world: createWorld(), now: () => new Date(), history: 0, live: false };
  heating = await simulator.start(options);
  park.secrets['HEATING_KEY'] = heating.env['LAKESIDE_HEATING_KEY'] ?? '';
});
afterAll(async () => {
  await heating?.close();
  await park?.close();
}, 30_000);

test('isthmus onboard wsdl: drafts the system, shows the schema change, writes it, and answers queries', async () => {
  const more = { url: heating.env['LAKESIDE_HEATING_URL'] ?? '', headers: ['x-api-key=HEATING_KEY'] };
  const { output } = await park.onboard('wsdl', WSDL, 'heating', more);
  expect(output).toContain('skipped, since they may write: SetTarget');
  expect(output).toContain('12 rows; the first: { serial: "HS-100"');
  expect(output).toContain('by serial: one call per key; 100 keys cost 100 calls (GetStation takes one key)');
  expect(output).toContain('Building.stations: one call for up to 100 keys (ListStations by sites.site)');
  expect(output).toContain('+ type Station');
  expect(output).toContain(' 0 breaking changes');
  expect(output + readFileSync(park.file, 'utf8')).not.toContain(park.secrets['HEATING_KEY']);
  expect(readJournal(park.directory).map((one) => one.operation)).toEqual(['ListStations']);

  hub = await park.start({ drift: 300 });
  const { data, errors } = await waitFor('the stations are in the graph', 20, async () => {
    const answer = await park.query(`{
      park(id: "lakeside") { buildings { id stations { totalCount nodes { id state supplyTemperature heat building: site { id } provenance { source stale } } } } }
      station(id: "lakeside-heating:HS-100") { serial supplyTemperatureUnit }
    }`);
    return answer.data?.park?.buildings[0]?.stations ? answer : null;
  });
  expect(errors).toBeUndefined();
  expect(
    data.park.buildings.map((building: { stations: { totalCount: number } }) => building.stations.totalCount),
  ).toEqual([1, 1]);
  expect(data.park.buildings[1].stations.nodes[0]).toMatchObject({
    ...{ id: 'lakeside-heating:HS-101', building: { id: 'b2' } },
    provenance: { source: 'lakeside-heating', stale: false },
  });
  expect(data.station).toEqual({ serial: 'HS-100', supplyTemperatureUnit: 'Cel' });
  // One call for both buildings.
  const requests = readJournal(park.directory, 'ListStations').filter((one) => String(one['body']).includes('B02'));
  expect(requests.length).toBeGreaterThan(0);
  expect(requests.every((one) => String(one['body']).includes('B01'))).toBe(true);
}, 60_000);

test('isthmus onboard wsdl: is DEGRADED when an element disappears from the description; treats a missing key as an error until `absent` is set', async () => {
  const source = () => hub.sources().find((one) => one.id === 'lakeside-heating');
  await waitFor('the source is up', 20, () => source()?.state === 'UP');
  const missing = () => park.query('{ station(id: "lakeside-heating:HS-9") { serial } }');
  expect((await missing()).errors?.[0]?.extensions['code']).toBe('SOURCE_REJECTED');
  writeFileSync(
    park.file,
    readFileSync(park.file, 'utf8').replace('    zone:', '    absent: StationNotFound\n    zone:'),
  );
  await hub.applyConfig(park.read());
  expect(await missing()).toEqual({ data: { station: null } });

  const copy = join(park.directory, 'islands', 'heating.wsdl');
  writeFileSync(copy, readFileSync(copy, 'utf8').replace(/<xs:element name="pressure"[^>]*>/, ''));
  await waitFor('the drift is reported', 30, () => source()?.state === 'DEGRADED');
  expect(source()?.reason).toMatch(/element GetStation\.station\.supply\.pressure is gone .*Station\.supplyPressure/);
  undoOnboard({ system: 'heating', config: park.file, say: () => undefined });
  expect(existsSync(copy)).toBe(false);
  expect(await hub.applyConfig(park.read())).toMatchObject({ removed: ['heating'] });
}, 60_000);
