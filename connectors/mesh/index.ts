import { familyOf } from './family.ts';
import { type OpenApi, openApiReader, readOpenApi } from './openapi.ts';
import { type MeshSettings, meshSettings } from './settings.ts';

/** Any system with an OpenAPI description, by configuration alone. */
export default familyOf<MeshSettings, OpenApi>({
  name: 'mesh',
  settings: meshSettings,
  protocol: () => 'openapi',
  place: (settings) => settings.openapi,
  describe: (settings, folder) => readOpenApi(settings.openapi, folder),
  reader: openApiReader,
});
