import { familyOf } from '../core/connector-family.ts';
import { type Rereadable, rereading } from '../description/description-drift.ts';
import { againOf, textOf } from '../description/description-source.ts';
import { type OpenApi, openApiReader, readOpenApi } from './openapi-reader.ts';
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
