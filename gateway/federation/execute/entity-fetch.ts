/** A fetch of fields of entities by their representations: the short way by generated code, the long way where there are faults. */
import { parse } from 'graphql';
import type { SubgraphError, SubgraphResponse } from '../../../connectors/kit/connector.ts';
import { entitySet, keyRenames, responseKeys } from '../plan/fetch-document.ts';
import type { BatchStep, EntityAlias, FetchStep } from '../plan/planner.ts';
import { type PlacedError, placed } from '../respond/error-placement.ts';
import { bare, merge, rewrite, type Tree } from '../response-data.ts';
import { type Batch, compileGather, type Gathered } from './collect-representations.ts';
import { type Asked, gather, type Place, widened } from './collect-representations-slow.ts';
import { asker, malformed, type Run } from './execution.ts';
import { compileAssign } from './merge-entities.ts';
import { type Fetch, type FetchParts, isSound, pick, settled } from './root-fetch.ts';

/** A fetch of fields of entities; equal representations are sent once. */
export function entityFetch(step: FetchStep | BatchStep, aliases: readonly EntityAlias[], parts: FetchParts): Fetch {
  const { fits } = parts;
  const document = parse(step.operation, { noLocation: true });
  const all: readonly Asked[] = aliases.map((alias) => ({
    alias,
    set: entitySet(document, alias.alias),
    requires: widened(alias, fits),
    rename: keyRenames(alias.outputRewrites),
  }));
  const known = new Set(aliases.map((one) => one.alias));

  /** Tells the fault at every field that was asked of the place and is null. Answers whether there was one. */
  const blame = (
    run: Run,
    asked: Asked,
    place: Place,
    got: Tree | null,
    cause: PlacedError,
    covered: ReadonlySet<unknown>,
  ): boolean => {
    if (!asked.set) return false;
    let told = false;
    for (const raw of responseKeys(document, asked.set, place.object, fits)) {
      const path = asked.rename([raw]);
      const key = path[0] as string;
      if (covered.has(key) || (got?.[key] ?? null) !== null) continue;
      if (key === '__typename' && fits.concrete(place.object[key])) continue;
      run.errors.push({ ...cause, path: [...place.path, ...path], inferred: true });
      told = true;
    }
    return told;
  };

  const settle = (
    run: Run,
    asked: Asked,
    places: readonly Place[],
    data: Tree | null,
    errors: readonly SubgraphError[],
  ): void => {
    const { alias, outputRewrites } = asked.alias;
    const list = data?.[alias];
    const entities = Array.isArray(list) ? (list as unknown[]) : null;
    for (const one of entities ?? []) rewrite(one, outputRewrites, fits);
    const { exact, whole, vague } = sorted(errors, alias, known);
    /** Why fields of a sent entity are null, where an error does not say so itself. */
    const reason = (index: number, value: unknown, own: SubgraphError | undefined): PlacedError | undefined => {
      const fault = whole.get(index) ?? vague;
      if (fault) return placed(fault, []);
      if (!entities) return { ...placed(errors[0] ?? misfit, []), spare: errors.length > 0 };
      if (value === null) return own && { ...placed(own, []), spare: true };
      return tree(value) ? undefined : placed(misfit, []);
    };
    const given = new Set<number>();
    let told = entities === null;
    for (const place of places) {
      const { index, object, path } = place;
      const value = entities?.[index];
      const got = tree(value);
      const own = exact.get(index) ?? [];
      const covered = new Set<unknown>();
      for (const error of own) {
        const rest = asked.rename((error.path ?? []).slice(2));
        covered.add(rest[0]);
        run.errors.push(placed(error, [...path, ...rest]));
      }
      const cause = index < 0 ? place.cause : (reason(index, value, own[0]) ?? place.cause);
      if (cause) told = blame(run, asked, place, got, cause, covered) || told;
      if (!got) {
        run.bereft.add(object);
        continue;
      }
      merge(object, given.has(index) ? (bare(got) as Tree) : got, fits.concrete);
      given.add(index);
    }
    if (vague && !told) run.errors.push(placed(vague, []));
  };

  const misfit = malformed(step.serviceName);

  const ask = asker(parts.subgraph, step.serviceName, step.sent ?? step.operation, parts.report);
  const clean = parts.exotic ? bare : (data: unknown) => data;
  const variables = [...new Set(aliases.map((one) => one.representationsVariableName))];
  const kinds = variables.map((): string[] => []);
  const ways = all.map((asked) => ({
    asked,
    name: asked.alias.alias,
    batch: variables.indexOf(asked.alias.representationsVariableName),
    gather: compileGather(
      asked.alias,
      asked.requires,
      fits,
      kinds[variables.indexOf(asked.alias.representationsVariableName)] as string[],
    ),
    assign: asked.set
      ? compileAssign(responseKeys(document, asked.set, null, fits), asked.alias.outputRewrites, fits)
      : null,
  }));

  /** The short way; false when the data are out of the ordinary. */
  const quick = (run: Run): boolean | Promise<void> => {
    const given = pick(step.variableUsages, run.variables);
    const batches = variables.map((): Batch => ({ list: [], known: [] }));
    const found: Gathered[] = [];
    for (const { batch, gather } of ways) {
      const gathered = gather?.(run.data, batches[batch] as Batch);
      if (!gathered) return false;
      found.push(gathered);
    }
    let sent = 0;
    for (let i = 0; i < variables.length; i++) {
      const { list } = batches[i] as Batch;
      given[variables[i] as string] = list;
      sent += list.length;
    }
    if (sent === 0) return true;
    const receive = (answer: SubgraphResponse): void => {
      const data = answer.data ? (clean(answer.data) as Tree) : null;
      const sound = isSound(answer);
      for (let i = 0; i < ways.length; i++) {
        const { asked, name, batch, assign } = ways[i] as (typeof ways)[number];
        const gathered = found[i] as Gathered;
        const { objects, indices } = gathered;
        const list = data?.[name];
        const whole = sound && assign && Array.isArray(list) && list.length === (batches[batch] as Batch).list.length;
        if (whole && list.every(isTree)) {
          for (let n = 0; n < objects.length; n++) assign(objects[n] as Tree, list[indices[n] as number] as Tree);
          continue;
        }
        const places = objects.map(
          (object, n): Place => ({
            object,
            path: gathered.path(n),
            index: indices[n] as number,
            cause: undefined,
          }),
        );
        settle(run, asked, places, data, answer.errors ?? []);
      }
    };
    const answer = ask(run, given);
    if ('then' in answer) return answer.then(receive);
    receive(answer);
    return true;
  };

  return (run) => {
    // Where something has failed before, what is missing has a cause that must be told.
    const done = quick(run);
    if (done !== false) return done === true ? undefined : done;
    const given = pick(step.variableUsages, run.variables);
    const found = gather(run, all, given, fits);
    const sent = variables.some((name) => (given[name] as unknown[]).length > 0);
    return settled(sent ? ask(run, given) : { data: {} }, (answer) => {
      const data = answer.data ? (clean(answer.data) as Tree) : null;
      all.forEach((asked, i) => void settle(run, asked, found[i] ?? [], data, answer.errors ?? []));
    });
  };
}

/** Errors of an alias: of a field of one entity, of one entity as a whole, and the first that tells no entity. */
function sorted(errors: readonly SubgraphError[], alias: string, known: ReadonlySet<string>) {
  const exact = new Map<number, SubgraphError[]>();
  const whole = new Map<number, SubgraphError>();
  let vague: SubgraphError | undefined;
  for (const error of errors) {
    const [head, index, ...rest] = error.path ?? [];
    if (head !== alias && typeof head === 'string' && known.has(head)) continue;
    if (head !== alias || typeof index !== 'number') vague ??= error;
    else if (rest.length === 0) whole.set(index, whole.get(index) ?? error);
    else exact.set(index, [...(exact.get(index) ?? []), error]);
  }
  return { exact, whole, vague };
}

const isTree = (value: unknown): value is Tree => tree(value) !== null;

const tree = (value: unknown): Tree | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Tree) : null;
