/** Compares a description with a later version of it, limited to what the entities use. */
import type { Drift } from '../../kit/connector.ts';
import { DeclarationError, unavailable } from '../../kit/errors.ts';
import type { Log } from '../../kit/log.ts';
import { queriesOf } from '../core/connector-family.ts';
import type { TypedEntity } from '../core/mapping.ts';
import { findOperation, type Operation, type Reader, splitPath } from '../core/source-description.ts';

/** The operations of a description. */
export interface ParsedDescription {
  readonly operations: ReadonlyMap<string, Operation>;
  /** Changes when the description changes; null: unknown. */
  readonly digest: string | null;
}

/** A description that can be read again from its file or URL. */
export interface RereadableDescription extends ParsedDescription {
  /** Resolves when the text has been read, with a function that parses it, which may take longer than a call. Both reject with `DeclarationError`. */
  reread(signal: AbortSignal): Promise<() => Promise<ParsedDescription>>;
}

/** Creates the drift check that compares the current description with `first`. `part`: what a result field is called in messages. */
export function createDriftCheck(
  first: RereadableDescription,
  { place, part, entities, log }: { place: string; part: string; entities: readonly TypedEntity[]; log: Log },
): NonNullable<Reader['drift']> {
  let lastDigest = first.digest;
  return async (signal) => {
    const parse = await first.reread(signal).catch((error: unknown) => {
      // No comparison is possible; calls to the source are not affected.
      throw error instanceof DeclarationError ? unavailable(error.fullMessage, error) : error;
    });
    return async () => {
      const now = await parse();
      const found = compareDescriptions(first, now, entities, part);
      if (found.length === 0 && now.digest !== lastDigest)
        log.info(`The description ${place} has changed. Nothing that is used has changed.`);
      lastDigest = now.digest;
      return found;
    };
  };
}

/** The result paths that entities use, including their parents, by operation; each with the graph fields that depend on it. */
export function usedPaths(entities: readonly TypedEntity[]): Map<string, Map<string, string[]>> {
  const found = new Map<string, Map<string, string[]>>();
  for (const entity of entities) {
    const own = entity.fields.map(({ from, name }) => [from, `${entity.name}.${name}`] as const);
    for (const query of queriesOf(entity)) {
      const paths = found.get(query.operation) ?? new Map<string, string[]>();
      found.set(query.operation, paths);
      const named = [entity.key, entity.recordedAt, query.match].filter((path) => path !== null);
      for (const [from, field] of [...own, ...named.map((path) => [path, entity.name] as const)]) {
        const all = [...splitPath(query.rows), ...splitPath(from)];
        for (const [i] of all.entries()) {
          const path = all.slice(0, i + 1).join('.');
          paths.set(path, [...new Set([...(paths.get(path) ?? []), field])]);
        }
      }
    }
  }
  return found;
}

/** Arguments with which the entities call an operation. */
const usedArguments = (operation: string, entities: readonly TypedEntity[]): string[] => [
  ...new Set(
    entities
      .flatMap(queriesOf)
      .filter((query) => query.operation === operation)
      .flatMap((query) => [...Object.keys(query.given), ...(query.argument === null ? [] : [query.argument])]),
  ),
];

/** Operations, arguments and result fields in use that are missing in `now` or differ from `before`. */
export function compareDescriptions(
  before: Pick<ParsedDescription, 'operations'>,
  now: Pick<ParsedDescription, 'operations'>,
  entities: readonly TypedEntity[],
  part: string,
): Drift[] {
  return [...usedPaths(entities)].flatMap(([name, paths]): Drift[] => {
    const [old, current] = [findOperation(before, name), findOperation(now, name)];
    const all = [...new Set([...paths.values()].flat())];
    if (!current) return [{ description: `the operation ${name} is gone`, fields: all }];
    const used = usedArguments(name, entities);
    const known = current.arguments.map((argument) => argument.name);
    const newlyRequired = current.arguments.filter((argument) => argument.required && !used.includes(argument.name));
    const gone: string[] = [];
    // Its old address returns 404, which would be read as "no such row".
    const moved = old?.endpoint !== undefined && current.endpoint !== undefined && old.endpoint !== current.endpoint;
    return [
      ...(moved ? [{ description: `${name} has moved from ${old.endpoint} to ${current.endpoint}`, fields: all }] : []),
      ...used
        .filter((argument) => !known.includes(argument))
        .map((argument) => ({ description: `${name} no longer accepts the argument ${argument}`, fields: all })),
      ...newlyRequired.map((argument) => ({
        description: `${name} now requires the argument ${argument.name}`,
        fields: all,
      })),
      ...[...paths].flatMap(([path, fields]): Drift[] => {
        const [was, is] = [old?.resultAt(path.split('.')), current.resultAt(path.split('.'))];
        if (!was || gone.some((parent) => path.startsWith(`${parent}.`))) return [];
        if (!is) {
          gone.push(path);
          return [{ description: `the ${part} ${name}.${path} is gone`, fields }];
        }
        const isDifferent = was.type !== is.type || was.list !== is.list;
        return isDifferent ? [{ description: `the ${part} ${name}.${path} has another type`, fields }] : [];
      }),
    ];
  });
}
