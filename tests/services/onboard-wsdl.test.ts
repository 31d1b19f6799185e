/** SOAP requests generated from a WSDL, against PHP's SOAP server with the same WSDL, in both SOAP versions. PHP: the program. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveFieldTypes } from '../../connectors/configured/core/connector-family.ts';
import { readEntities } from '../../connectors/configured/core/declaration.ts';
import { extractRows, mapRow } from '../../connectors/configured/core/mapping.ts';
import type { Reader } from '../../connectors/configured/core/source-description.ts';
import { draftWsdl } from '../../connectors/configured/draft/draft-wsdl.ts';
import { createWsdlReader } from '../../connectors/configured/wsdl/index.ts';
import { loadWsdl } from '../../connectors/configured/wsdl/load-wsdl.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { startProgram } from './peers/peer.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const TEXT = readFileSync(join(ROOT, 'connectors', 'configured', 'wsdl', 'heating', 'heating.wsdl'), 'utf8');

describe.each([1, 2])("PHP's SOAP server, SOAP 1.%i", (version) => {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-php-'));
  let php: Awaited<ReturnType<typeof startProgram>>;
  let url: string;
  let reader: Reader;
  const signal = () => AbortSignal.timeout(10_000);

  beforeAll(async () => {
    const program = process.env['PHP'];
    if (!program) throw new Error('PHP is not set: run npm run test:services.');
    const port = await freePort();
    url = `http://127.0.0.1:${port}/`;
    const namespace = `http://schemas.xmlsoap.org/wsdl/soap${version === 2 ? '12' : ''}/`;
    const text = TEXT.replace('http://schemas.xmlsoap.org/wsdl/soap/', namespace);
    writeFileSync(join(folder, 'heating.wsdl'), text.replace('https://heating.example/soap', url));
    const script = join(import.meta.dirname, 'heating.php');
    php = await startProgram(folder, program, ['-S', `127.0.0.1:${port}`, script], port, {
      env: { TEST_WSDL: join(folder, 'heating.wsdl'), TEST_SOAP: String(version) },
    });
  }, 30_000);
  afterAll(async () => {
    await reader?.close();
    await php?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('loads the WSDL from its URL, drafts it, reads by key, in a batch and as a list, and recognizes the named fault', async () => {
    const description = await loadWsdl(`${url}?wsdl`, folder, []);
    expect(description.address).toBe(url);
    const [drafts] = draftWsdl(description).drafts;
    const [declared] = readEntities({ Station: drafts?.declaration });
    if (!declared) throw new Error('Nothing was drafts.');
    const entity = resolveFieldTypes('heating', declared, description.operations);
    reader = createWsdlReader(
      description,
      { ...{ url, headers: {}, check: 'GetStatus', zone: '+08:00' }, absent: 'StationNotFound' },
      [entity],
    );
    await reader.check(signal());
    const call = (operation: string, given: Record<string, unknown>, absent = false) =>
      reader.call({ operation, args: given, nullIfNotFound: absent }, signal());

    const one = (await call('GetStation', { serial: 'HS 1 <&>' }, true)) as { station: object };
    expect(one.station).toMatchObject({ alarms: { alarm: [{ code: '17', text: '水泵停 <1> & "2"' }] }, revision: '2' });
    expect(mapRow(entity, one.station, '').values).toMatchObject({
      ...{ serial: 'HS 1 <&>', supplyTemperature: '68.40', supplyTemperatureUnit: 'Cel', heat: '3000000017' },
      ...{ creditCode: null, measured: new Date('2026-03-01T00:00:00Z') },
    });
    expect(await call('GetStation', { serial: 'no such' }, true)).toBeNull();
    await expect(call('GetStation', { serial: 'no such' })).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });

    const stations = entity.joins[0];
    if (!stations) throw new Error('No join was drafts.');
    const keys = async (given: Record<string, unknown>) =>
      extractRows(await call('ListStations', given), stations.ask).map((each) => each.key);
    expect(await keys({ 'sites.site': ['B02', 'B01'] })).toEqual(['B02', 'B01']);
    expect(await keys({ 'sites.site': ['B03'] })).toEqual(['B03']);
    expect(await keys({})).toEqual(['B01', 'B02']);
  }, 30_000);
});
