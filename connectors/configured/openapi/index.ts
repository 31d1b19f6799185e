import { createFamily } from '../core/connector-family.ts';
import { createDriftCheck, type RereadableDescription } from '../description/description-drift.ts';
import { createReread, readDescriptionText } from '../description/description-source.ts';
import { createOpenApiReader, type OpenApiDescription, readOpenApi } from './openapi-reader.ts';
import { type OpenApiSettings, openApiSettings } from './settings.ts';

/** Family of connectors for systems with an OpenAPI description. */
export default createFamily<OpenApiSettings, OpenApiDescription & RereadableDescription>({
  name: 'mesh',
  settings: openApiSettings,
  protocol: () => 'openapi',
  descriptionKey: (settings) => settings.openapi,
  readDescription: async ({ openapi }, folder, sharing) => {
    const first = await readOpenApi(openapi, folder, sharing);
    const again = createReread(
      first,
      (signal) => readDescriptionText(openapi, folder, sharing, signal),
      (text) => readOpenApi(openapi, folder, sharing, text),
    );
    return { ...first, reread: again };
  },
  createReader: (described, settings, { log }, entities) => ({
    ...createOpenApiReader(described, settings),
    drift: createDriftCheck(described, { place: settings.openapi, part: 'field', entities, log }),
  }),
});
