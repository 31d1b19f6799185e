/** What all islands by configuration share, whatever they speak: from settings and a description to a connector of the contract. */

import type { Settings } from '../../kit/config/settings.ts';
import { type Connector, DeclarationError, type Drift, type Family, type Services } from '../../kit/connector.ts';
import type { Ask, Entity, FieldType } from './declaration.ts';
import type { TypedEntity } from './mapping.ts';
import { type MeshRequest, MeshSource } from './source.ts';
import { type Operation, operationOf, type Reader, steps } from './source-description.ts';
import { meshGraph } from './subgraph-builder.ts';

/** What every installation of such a family says. */
export interface Declared {
  readonly system: string;
  readonly entities: readonly Entity[];
}

/** One way of speaking to systems that are only described. */
export interface Kind<S extends Declared, D extends { readonly operations: ReadonlyMap<string, Operation> }> {
  readonly name: string;
  readonly settings: Settings<S>;
  protocol(settings: S): string;
  /** Installations with equal words here have one description. */
  place(settings: S): string;
  /** Reads what the system says of itself, for all installations with one place (`alike`); rejects with `DeclarationError`. */
  describe(settings: S, folder: string, alike: readonly S[]): Promise<D>;
  /** Opens no connection before it is asked. */
  reader(description: D, settings: S, services: Services, entities: readonly TypedEntity[]): Reader;
}

/** A family of connectors, one for each system that its installations name. */
export function familyOf<S extends Declared, D extends { readonly operations: ReadonlyMap<string, Operation> }>(
  kind: Kind<S, D>,
): Family<S> {
  return {
    name: kind.name,
    settings: kind.settings,
    protocol: kind.protocol,
    system: (settings) => settings.system,
    make: async (system, all, folder): Promise<Connector<S, MeshRequest>> => {
      const first = all[0];
      if (!first) throw new DeclarationError(`No installation names the system ${system}.`);
      if (all.some((one) => JSON.stringify(one.entities) !== JSON.stringify(first.entities))) {
        throw new DeclarationError(
          `The installations of ${system} declare different entities; one system has one graph.`,
        );
      }
      const places = new Map(all.map((one) => [kind.place(one), one]));
      const descriptions = new Map(
        await Promise.all(
          [...places].map(async ([place, one]) => {
            const alike = all.filter((each) => kind.place(each) === place);
            return [place, await kind.describe(one, folder, alike)] as const;
          }),
        ),
      );
      const described = [...descriptions.values()];
      const entities = first.entities.map((entity) =>
        typedEntity(system, entity, described[0]?.operations ?? new Map()),
      );
      for (const one of described) {
        const faults = first.entities.flatMap((entity) => askFaults(entity, one.operations));
        if (faults.length > 0) throw new DeclarationError(`${system}: ${faults.join('; ')}`);
      }
      return {
        name: system,
        settings: { ...kind.settings, section: system },
        graph: meshGraph(system, entities),
        protocol: kind.protocol,
        keeps: () =>
          Object.fromEntries(
            entities.map(({ name: type, fresh, usable, poll }) => [
              type,
              { fresh, usable, durable: true, ...(poll ? { changedBy: ['RECORD_CHANGED' as const] } : {}) },
            ]),
          ),
        open: async (settings, services) => {
          const description = descriptions.get(kind.place(settings));
          if (!description)
            throw new DeclarationError(`${system}: what ${kind.place(settings)} describes was not read.`);
          const reader = kind.reader(description, settings, services, entities);
          const source = new MeshSource(reader, services, entities);
          let closed: Promise<void> | undefined;
          return {
            request: (call) => source.request(call),
            check: (call) => source.check(call),
            ...(reader.drift ? { drift: (call): Promise<readonly Drift[]> => source.drift(call) } : {}),
            ...(reader.complaint ? { complaint: () => reader.complaint?.() ?? null } : {}),
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

/** Every question that an entity may put. */
export const asksOf = (entity: Entity): Ask[] => [
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
export function typedEntity(system: string, entity: Entity, operations: ReadonlyMap<string, Operation>): TypedEntity {
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
