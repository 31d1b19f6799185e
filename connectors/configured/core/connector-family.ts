/** What all configured connectors share, whatever their protocol: makes a connector from settings and a description. */

import type { Settings } from '../../kit/config/settings.ts';
import type { Connector, ConnectorFamily, Drift } from '../../kit/connector.ts';
import { DeclarationError } from '../../kit/errors.ts';
import type { Services } from '../../kit/services.ts';
import type { Entity, FieldType, RowQuery } from './declaration.ts';
import type { TypedEntity } from './mapping.ts';
import { type ConfiguredRequest, ConfiguredSource } from './source.ts';
import { findOperation, type Operation, type Reader, splitPath } from './source-description.ts';
import { buildSubgraph } from './subgraph-builder.ts';

/** Settings that every family has. */
export interface FamilySettings {
  readonly system: string;
  readonly entities: readonly Entity[];
}

/** One kind of system that is connected by configuration. `D`: what is read from its description. */
export interface FamilyDefinition<
  S extends FamilySettings,
  D extends { readonly operations: ReadonlyMap<string, Operation> },
> {
  readonly name: string;
  readonly settings: Settings<S>;
  protocol(settings: S): string;
  /** Installations with equal keys share one description. */
  descriptionKey(settings: S): string;
  /** Reads the description for all installations with one key (`sharing`). Rejects with `DeclarationError`. */
  readDescription(settings: S, folder: string, sharing: readonly S[]): Promise<D>;
  /** The reader opens no connection before its first call. */
  createReader(description: D, settings: S, services: Services, entities: readonly TypedEntity[]): Reader;
}

/** A family of connectors, one for each `system` named by its installations. */
export function createFamily<
  S extends FamilySettings,
  D extends { readonly operations: ReadonlyMap<string, Operation> },
>(definition: FamilyDefinition<S, D>): ConnectorFamily<S> {
  return {
    name: definition.name,
    settings: definition.settings,
    protocol: definition.protocol,
    connectorName: (settings) => settings.system,
    createConnector: async (system, all, folder): Promise<Connector<S, ConfiguredRequest>> => {
      const first = all[0];
      if (!first) throw new DeclarationError(`No installation has the system ${system}.`);
      if (all.some((settings) => JSON.stringify(settings.entities) !== JSON.stringify(first.entities))) {
        throw new DeclarationError(
          `The installations of ${system} declare different entities. All installations of one system must declare the same.`,
        );
      }
      const byKey = new Map(all.map((settings) => [definition.descriptionKey(settings), settings]));
      const descriptions = new Map(
        await Promise.all(
          [...byKey].map(async ([key, settings]) => {
            const sharing = all.filter((other) => definition.descriptionKey(other) === key);
            return [key, await definition.readDescription(settings, folder, sharing)] as const;
          }),
        ),
      );
      const described = [...descriptions.values()];
      const entities = first.entities.map((entity) =>
        resolveFieldTypes(system, entity, described[0]?.operations ?? new Map()),
      );
      for (const { operations } of described) {
        const problems = first.entities.flatMap((entity) => queryProblems(entity, operations));
        if (problems.length > 0) throw new DeclarationError(`${system}: ${problems.join('; ')}`);
      }
      return {
        name: system,
        settings: { ...definition.settings, section: system },
        graph: buildSubgraph(system, entities),
        protocol: definition.protocol,
        cacheAges: () =>
          Object.fromEntries(
            entities.map(({ name: type, fresh, usable, poll }) => [
              type,
              { fresh, usable, durable: true, ...(poll ? { changedBy: ['RECORD_CHANGED' as const] } : {}) },
            ]),
          ),
        open: async (settings, services) => {
          const description = descriptions.get(definition.descriptionKey(settings));
          if (!description)
            throw new DeclarationError(
              `${system}: the description ${definition.descriptionKey(settings)} was not read.`,
            );
          const reader = definition.createReader(description, settings, services, entities);
          const source = new ConfiguredSource(reader, services, entities);
          let closed: Promise<void> | undefined;
          return {
            request: (call) => source.request(call),
            check: (call) => source.check(call),
            ...(reader.drift ? { drift: (call): Promise<readonly Drift[]> => source.drift(call) } : {}),
            ...(reader.deliveryProblem ? { deliveryProblem: () => reader.deliveryProblem?.() ?? null } : {}),
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
}

/** All queries of an entity. */
export const queriesOf = (entity: Entity): RowQuery[] => [
  ...(entity.byKey ? [entity.byKey] : []),
  ...entity.joins.map((join) => join.ask),
  ...(entity.poll ? [entity.poll.ask] : []),
];

/** Operations and arguments of the entity's queries that the description lacks, as messages. */
function queryProblems(entity: Entity, operations: ReadonlyMap<string, Operation>): string[] {
  return queriesOf(entity).flatMap((query) => {
    const operation = findOperation({ operations }, query.operation);
    if (!operation) {
      return [
        `the description has no operation ${query.operation}; it has ${[...operations.keys()].slice(0, 20).join(', ')}`,
      ];
    }
    const known = operation.arguments.map(({ name }) => name);
    const used = [...Object.keys(query.given), ...(query.argument === null ? [] : [query.argument])];
    const missing = operation.arguments
      .filter(({ name, required }) => required && !used.includes(name))
      .map(({ name }) => name);
    return [
      ...used
        .filter((name) => !known.includes(name))
        .map((name) => `${query.operation} has no argument ${name}; its arguments are ${known.join(', ') || 'none'}`),
      ...missing.map((name) => `${query.operation} requires the argument ${name}: add it under with`),
    ];
  });
}

/** Adds the types of the fields: as declared, else from the description. Throws `DeclarationError` for a field without either. */
export function resolveFieldTypes(
  system: string,
  entity: Entity,
  operations: ReadonlyMap<string, Operation>,
): TypedEntity {
  const types = new Map<string, FieldType>();
  const texts = new Map<string, string>();
  for (const field of entity.fields) {
    const candidates = queriesOf(entity).map((query) =>
      findOperation({ operations }, query.operation)?.resultAt([...splitPath(query.rows), ...splitPath(field.from)]),
    );
    const described = candidates.find((candidate) => candidate?.type) ?? candidates.find((candidate) => candidate);
    const type = field.link ? 'String' : (field.type ?? described?.type);
    if (!type) {
      throw new DeclarationError(
        `${system}: the description gives no type for ${entity.name}.${field.name} (${field.from}); declare one, such as ${field.name}: { from: ${field.from}, type: String }`,
      );
    }
    types.set(field.name, type);
    if (described?.description) texts.set(field.name, described.description);
  }
  const fields = entity.fields.map((field) => ({
    ...field,
    description: field.description ?? texts.get(field.name) ?? null,
  }));
  return { ...entity, fields, types };
}
