/** What of a description is in use, and what of it another one no longer has. */
import { DeclarationError, type Drift } from '../../kit/connector.ts';
import { unavailable } from '../../kit/errors.ts';
import type { Log } from '../../kit/log.ts';
import { asksOf } from '../core/connector-family.ts';
import type { TypedEntity } from '../core/mapping.ts';
import { type Operation, operationOf, type Reader, steps } from '../core/source-description.ts';

/** What a description offers. */
export interface Offered {
  readonly operations: ReadonlyMap<string, Operation>;
  /** Equal as long as the description is the same; null: nobody can tell. */
  readonly digest: string | null;
}

/** A description that can be read again where it came from. */
export interface Rereadable extends Offered {
  /** Resolves when it has come, with what takes it apart, which may take longer than a call may; both reject with `DeclarationError`. */
  again(signal: AbortSignal): Promise<() => Promise<Offered>>;
}

/** Compares what a description says now with what it said when the hub took the system in. `part` is what its fields are called. */
export function rereading(
  first: Rereadable,
  { place, part, entities, log }: { place: string; part: string; entities: readonly TypedEntity[]; log: Log },
): NonNullable<Reader['drift']> {
  let told = first.digest;
  return async (signal) => {
    const read = await first.again(signal).catch((error: unknown) => {
      // Nobody can compare now; the calls themselves go on.
      throw error instanceof DeclarationError ? unavailable(error.whole, error) : error;
    });
    return async () => {
      const now = await read();
      const found = driftOf(first, now, entities, part);
      if (found.length === 0 && now.digest !== told)
        log.info(`${place} is another than at the start; nothing that is asked for is concerned.`);
      told = now.digest;
      return found;
    };
  };
}

/** By operation, paths of its answer that somebody asks for, those around them included, each with the graph fields that live on it. */
export function wantedOf(entities: readonly TypedEntity[]): Map<string, Map<string, string[]>> {
  const found = new Map<string, Map<string, string[]>>();
  for (const entity of entities) {
    const own = entity.fields.map((one) => [one.from, `${entity.name}.${one.name}`] as const);
    for (const ask of asksOf(entity)) {
      const paths = found.get(ask.operation) ?? new Map<string, string[]>();
      found.set(ask.operation, paths);
      const named = [entity.key, entity.recordedAt, ask.match].filter((one) => one !== null);
      for (const [from, field] of [...own, ...named.map((one) => [one, entity.name] as const)]) {
        const all = [...steps(ask.rows), ...steps(from)];
        for (const [i] of all.entries()) {
          const path = all.slice(0, i + 1).join('.');
          paths.set(path, [...new Set([...(paths.get(path) ?? []), field])]);
        }
      }
    }
  }
  return found;
}

/** Arguments that an operation is asked with. */
const argumentsOf = (operation: string, entities: readonly TypedEntity[]): string[] => [
  ...new Set(
    entities
      .flatMap(asksOf)
      .filter((ask) => ask.operation === operation)
      .flatMap((ask) => [...Object.keys(ask.given), ...(ask.argument === null ? [] : [ask.argument])]),
  ),
];

/** Operations, arguments and parts of answers in use that `now` has no longer, or has otherwise. */
export function driftOf(
  before: Pick<Offered, 'operations'>,
  now: Pick<Offered, 'operations'>,
  entities: readonly TypedEntity[],
  part: string,
): Drift[] {
  return [...wantedOf(entities)].flatMap(([name, paths]): Drift[] => {
    const [old, one] = [operationOf(before, name), operationOf(now, name)];
    const all = [...new Set([...paths.values()].flat())];
    if (!one) return [{ what: `the operation ${name} is gone`, fields: all }];
    const asked = argumentsOf(name, entities);
    const known = one.arguments.map((each) => each.name);
    const news = one.arguments.filter((each) => each.required && !asked.includes(each.name));
    const gone: string[] = [];
    // Its old place answers 404, which reads as "there is none".
    const moved = old?.address !== undefined && one.address !== undefined && old.address !== one.address;
    return [
      ...(moved ? [{ what: `${name} has moved from ${old.address} to ${one.address}`, fields: all }] : []),
      ...asked
        .filter((each) => !known.includes(each))
        .map((each) => ({ what: `${name} takes no argument ${each} any more`, fields: all })),
      ...news.map((each) => ({ what: `${name} needs the argument ${each.name}`, fields: all })),
      ...[...paths].flatMap(([path, fields]): Drift[] => {
        const [was, is] = [old?.at(path.split('.')), one.at(path.split('.'))];
        if (!was || gone.some((each) => path.startsWith(`${each}.`))) return [];
        if (!is) {
          gone.push(path);
          return [{ what: `the ${part} ${name}.${path} is gone`, fields }];
        }
        const otherwise = was.type !== is.type || was.list !== is.list;
        return otherwise ? [{ what: `the ${part} ${name}.${path} is of another type`, fields }] : [];
      }),
    ];
  });
}
