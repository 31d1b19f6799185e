import { type Rereadable, rereading } from './drift.ts';
import { familyOf } from './family.ts';
import { type OpenApi, openApiReader, readOpenApi } from './openapi.ts';
import { againOf, textOf } from './served.ts';
import { type MeshSettings, meshSettings } from './settings.ts';

/** Any system with an OpenAPI description, by configuration alone. */
export default familyOf<MeshSettings, OpenApi & Rereadable>({
  name: 'mesh',
  settings: meshSettings,
  protocol: () => 'openapi',
  place: (settings) => settings.openapi,
  describe: async ({ openapi }, folder, alike) => {
    const first = await readOpenApi(openapi, folder, alike);
    const again = againOf(
      first,
      (signal) => textOf(openapi, folder, alike, signal),
      (text) => readOpenApi(openapi, folder, alike, text),
    );
    return { ...first, again };
  },
  reader: (described, settings, { log }, entities) => ({
    ...openApiReader(described, settings),
    drift: rereading(described, { place: settings.openapi, part: 'field', entities, log }),
  }),
});
