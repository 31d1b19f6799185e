/** What of a description is in use, and what of it another one no longer has; pure. */
import type { Drift } from '../../kit/connector.ts';
import { operationOf, steps } from '../description.ts';
import { asksOf } from '../family.ts';
import type { TypedEntity } from '../mapping.ts';
import type { Wsdl } from './document.ts';

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

/** Operations, arguments and elements in use that `now` has no longer, or has otherwise. */
export function driftOf(before: Wsdl, now: Wsdl, entities: readonly TypedEntity[]): Drift[] {
  return [...wantedOf(entities)].flatMap(([name, paths]): Drift[] => {
    const [old, one] = [operationOf(before, name), operationOf(now, name)];
    const all = [...new Set([...paths.values()].flat())];
    if (!one) return [{ what: `the operation ${name} is gone`, fields: all }];
    const asked = argumentsOf(name, entities);
    const known = one.arguments.map((each) => each.name);
    const news = one.arguments.filter((each) => each.required && !asked.includes(each.name));
    const gone: string[] = [];
    return [
      ...asked
        .filter((each) => !known.includes(each))
        .map((each) => ({ what: `${name} takes no argument ${each} any more`, fields: all })),
      ...news.map((each) => ({ what: `${name} needs the argument ${each.name}`, fields: all })),
      ...[...paths].flatMap(([path, fields]): Drift[] => {
        const [was, is] = [old?.at(path.split('.')), one.at(path.split('.'))];
        if (!was || gone.some((each) => path.startsWith(`${each}.`))) return [];
        if (!is) {
          gone.push(path);
          return [{ what: `the element ${name}.${path} is gone`, fields }];
        }
        const otherwise = was.type !== is.type || was.list !== is.list;
        return otherwise ? [{ what: `the element ${name}.${path} is of another type`, fields }] : [];
      }),
    ];
  });
}
