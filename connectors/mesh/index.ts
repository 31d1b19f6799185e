import { type Connector, DeclarationError, type Family } from '../kit/connector.ts';
import type { Ask, Entity, FieldType } from './declaration.ts';
import { type Operation, operationOf, steps } from './description.ts';
import { meshGraph } from './graph.ts';
import type { TypedEntity } from './mapping.ts';
import { openApiReader, readOpenApi } from './openapi.ts';
import { type MeshSettings, meshSettings } from './settings.ts';
import { type MeshRequest, MeshSource } from './source.ts';

/** Any system with a description, by configuration alone. */
const mesh: Family<MeshSettings> = {
  name: 'mesh',
  settings: meshSettings,
  protocol: () => 'openapi',
  system: (settings) => settings.system,
  make: async (system, all, folder): Promise<Connector<MeshSettings, MeshRequest>> => {
    const first = all[0];
    if (!first) throw new DeclarationError(`No installation names the system ${system}.`);
    if (all.some((one) => JSON.stringify(one.entities) !== JSON.stringify(first.entities))) {
      throw new DeclarationError(
        `The installations of ${system} declare different entities; one system has one graph.`,
      );
    }
    const descriptions = new Map(
      await Promise.all(
        [...new Set(all.map((one) => one.openapi))].map(
          async (source) => [source, await readOpenApi(source, folder)] as const,
        ),
      ),
    );
    const described = [...descriptions.values()];
    const entities = first.entities.map((entity) => typed(system, entity, described[0]?.operations ?? new Map()));
    for (const one of described) {
      const faults = first.entities.flatMap((entity) => askFaults(entity, one.operations));
      if (faults.length > 0) throw new DeclarationError(`${system}: ${faults.join('; ')}`);
    }
    return {
      name: system,
      settings: { ...meshSettings, section: system },
      graph: meshGraph(system, entities),
      protocol: mesh.protocol,
      keeps: () =>
        Object.fromEntries(
          entities.map(({ name: type, fresh, usable, poll }) => [
            type,
            { fresh, usable, durable: true, ...(poll ? { changedBy: ['RECORD_CHANGED' as const] } : {}) },
          ]),
        ),
      open: async (settings, services) => {
        const description = descriptions.get(settings.openapi);
        if (!description) throw new DeclarationError(`${system}: the description ${settings.openapi} was not read.`);
        const source = new MeshSource(openApiReader(description, settings), services, entities);
        let closed: Promise<void> | undefined;
        return {
          request: (call) => source.request(call),
          check: (call) => source.check(call),
          jobs: source.jobs(),
          close: () => {
            closed ??= source.close();
            return closed;
          },
        };
      },
    };
  },
};

export default mesh;

const asksOf = (entity: Entity): Ask[] => [
  ...(entity.byKey ? [entity.byKey] : []),
  ...entity.joins.map((join) => join.ask),
  ...(entity.poll ? [entity.poll.ask] : []),
];

/** What the description does not have, as sentences. */
function askFaults(entity: Entity, operations: ReadonlyMap<string, Operation>): string[] {
  return asksOf(entity).flatMap((ask) => {
    const operation = operationOf({ operations }, ask.operation);
    if (!operation) {
      return [
        `the description has no operation ${ask.operation}; it has ${[...operations.keys()].slice(0, 20).join(', ')}`,
      ];
    }
    const names = operation.arguments.map((one) => one.name);
    const given = [...Object.keys(ask.given), ...(ask.argument === null ? [] : [ask.argument])];
    const missing = operation.arguments
      .filter((one) => one.required && !given.includes(one.name))
      .map((one) => one.name);
    return [
      ...given
        .filter((one) => !names.includes(one))
        .map((one) => `${ask.operation} takes no argument ${one}; it takes ${names.join(', ') || 'none'}`),
      ...missing.map((one) => `${ask.operation} needs the argument ${one}: give it under with`),
    ];
  });
}

/** The types of an entity's fields: as declared, else as the description says. */
function typed(system: string, entity: Entity, operations: ReadonlyMap<string, Operation>): TypedEntity {
  const types = new Map<string, FieldType>();
  const texts = new Map<string, string>();
  for (const field of entity.fields) {
    const places = asksOf(entity).map((ask) =>
      operationOf({ operations }, ask.operation)?.at([...steps(ask.rows), ...steps(field.from)]),
    );
    const place = places.find((one) => one?.type) ?? places.find((one) => one);
    const type = field.link ? 'String' : (field.type ?? place?.type);
    if (!type) {
      throw new DeclarationError(
        `${system}: the description does not say what ${entity.name}.${field.name} (${field.from}) is; declare its type, such as ${field.name}: { from: ${field.from}, type: String }`,
      );
    }
    types.set(field.name, type);
    if (place?.description) texts.set(field.name, place.description);
  }
  const fields = entity.fields.map((field) => ({
    ...field,
    description: field.description ?? texts.get(field.name) ?? null,
  }));
  return { ...entity, fields, types };
}
