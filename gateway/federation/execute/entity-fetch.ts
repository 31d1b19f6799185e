/** The fetch of entities by their representations: with generated code for complete data, interpreted where there are errors. */
import { parse } from 'graphql';
import type { SubgraphError, SubgraphResponse } from '../../../connectors/kit/call.ts';
import { createKeyRenamer, entitySelections, responseKeys } from '../plan/fetch-document.ts';
import type { BatchStep, EntityAlias, FetchStep } from '../plan/plan-types.ts';
import { errorAt, type PlacedError } from '../respond/error-placement.ts';
import { type DataObject, isDataObject, merge, withoutPrototypes } from '../response-data.ts';
import {
  type CollectedEntities,
  compileCollectRepresentations,
  type RepresentationBatch,
} from './collect-representations.ts';
import {
  collectEntityPlaces,
  type EntityPlace,
  type EntityRequest,
  widenTypeConditions,
} from './collect-representations-slow.ts';
import type { Execution } from './execution.ts';
import { compileMergeEntity } from './merge-entities.ts';
import { applyRewrites } from './rewrites.ts';
import { type Fetch, type FetchContext, isErrorFree, pickVariables, whenReceived } from './root-fetch.ts';
import { createSubgraphFetch, malformedResponse } from './subgraph-fetch.ts';

/** Compiles a fetch of entities. Equal representations are sent once. */
export function entityFetch(
  step: FetchStep | BatchStep,
  aliases: readonly EntityAlias[],
  context: FetchContext,
): Fetch {
  const { matchesType } = context;
  const document = parse(step.operation, { noLocation: true });
  const requests: readonly EntityRequest[] = aliases.map((alias) => ({
    alias,
    selections: entitySelections(document, alias.alias),
    requires: widenTypeConditions(alias, matchesType),
    renamePath: createKeyRenamer(alias.outputRewrites),
  }));
  const aliasNames = new Set(aliases.map(({ alias }) => alias));

  /** Adds the error `cause` at every selected field of the place that is null. Returns whether there was one. */
  const addErrors = (
    execution: Execution,
    request: EntityRequest,
    place: EntityPlace,
    received: DataObject | null,
    cause: PlacedError,
    covered: ReadonlySet<unknown>,
  ): boolean => {
    if (!request.selections) return false;
    let hasReported = false;
    for (const receivedKey of responseKeys(document, request.selections, place.object, matchesType)) {
      const path = request.renamePath([receivedKey]);
      const key = path[0] as string;
      if (covered.has(key) || (received?.[key] ?? null) !== null) continue;
      if (key === '__typename' && matchesType.isObjectTypeName(place.object[key])) continue;
      execution.errors.push({ ...cause, path: [...place.path, ...path], isInferred: true });
      hasReported = true;
    }
    return hasReported;
  };

  const settle = (
    execution: Execution,
    request: EntityRequest,
    places: readonly EntityPlace[],
    data: DataObject | null,
    errors: readonly SubgraphError[],
  ): void => {
    const { alias, outputRewrites } = request.alias;
    const list = data?.[alias];
    const entities = Array.isArray(list) ? (list as unknown[]) : null;
    for (const entity of entities ?? []) applyRewrites(entity, outputRewrites, matchesType);
    const { ofFields, ofEntities, withoutEntity } = groupErrors(errors, alias, aliasNames);
    /** Why fields of a sent entity are null, if no error names the field. */
    const causeOf = (index: number, value: unknown, ownError: SubgraphError | undefined): PlacedError | undefined => {
      const entityError = ofEntities.get(index) ?? withoutEntity;
      if (entityError) return errorAt(entityError, []);
      if (!entities) return { ...errorAt(errors[0] ?? malformed, []), isFallback: errors.length > 0 };
      if (value === null) return ownError && { ...errorAt(ownError, []), isFallback: true };
      return toDataObject(value) ? undefined : errorAt(malformed, []);
    };
    const merged = new Set<number>();
    let hasReported = entities === null;
    for (const place of places) {
      const { representationIndex: index, object, path } = place;
      const value = entities?.[index];
      const received = toDataObject(value);
      const ownErrors = ofFields.get(index) ?? [];
      const covered = new Set<unknown>();
      for (const error of ownErrors) {
        const rest = request.renamePath((error.path ?? []).slice(2));
        covered.add(rest[0]);
        execution.errors.push(errorAt(error, [...path, ...rest]));
      }
      const cause = index < 0 ? place.cause : (causeOf(index, value, ownErrors[0]) ?? place.cause);
      if (cause) hasReported = addErrors(execution, request, place, received, cause, covered) || hasReported;
      if (!received) {
        execution.incomplete.add(object);
        continue;
      }
      merge(
        object,
        merged.has(index) ? (withoutPrototypes(received) as DataObject) : received,
        matchesType.isObjectTypeName,
      );
      merged.add(index);
    }
    if (withoutEntity && !hasReported) execution.errors.push(errorAt(withoutEntity, []));
  };

  const malformed = malformedResponse(step.serviceName);

  const send = createSubgraphFetch(
    context.getSubgraph,
    step.serviceName,
    step.sentOperation ?? step.operation,
    context.reportErrors,
  );
  const prepare = context.hasPrototypeKeys ? withoutPrototypes : (data: unknown) => data;
  const variables = [...new Set(aliases.map((alias) => alias.representationsVariableName))];
  const kinds = variables.map((): string[] => []);
  const fetches = requests.map((request) => ({
    request,
    name: request.alias.alias,
    batch: variables.indexOf(request.alias.representationsVariableName),
    collect: compileCollectRepresentations(
      request.alias,
      request.requires,
      matchesType,
      kinds[variables.indexOf(request.alias.representationsVariableName)] as string[],
    ),
    mergeEntity: request.selections
      ? compileMergeEntity(
          responseKeys(document, request.selections, null, matchesType),
          request.alias.outputRewrites,
          matchesType,
        )
      : null,
  }));

  /** Runs the fetch with generated code; false if the data is incomplete. */
  const runCompiled = (execution: Execution): boolean | Promise<void> => {
    const sentVariables = pickVariables(step.variableUsages, execution.variables);
    const batches = variables.map((): RepresentationBatch => ({ list: [], indexes: [] }));
    const found: CollectedEntities[] = [];
    for (const { batch, collect } of fetches) {
      const collected = collect?.(execution.data, batches[batch] as RepresentationBatch);
      if (!collected) return false;
      found.push(collected);
    }
    let count = 0;
    for (let i = 0; i < variables.length; i++) {
      const { list } = batches[i] as RepresentationBatch;
      sentVariables[variables[i] as string] = list;
      count += list.length;
    }
    if (count === 0) return true;
    const receive = (response: SubgraphResponse): void => {
      const data = response.data ? (prepare(response.data) as DataObject) : null;
      const isValid = isErrorFree(response);
      for (let i = 0; i < fetches.length; i++) {
        const { request, name, batch, mergeEntity } = fetches[i] as (typeof fetches)[number];
        const collected = found[i] as CollectedEntities;
        const { objects, representationIndexes } = collected;
        const list = data?.[name];
        const isComplete =
          isValid &&
          mergeEntity &&
          Array.isArray(list) &&
          list.length === (batches[batch] as RepresentationBatch).list.length;
        if (isComplete && list.every(isDataObject)) {
          for (let n = 0; n < objects.length; n++)
            mergeEntity(objects[n] as DataObject, list[representationIndexes[n] as number] as DataObject);
          continue;
        }
        const places = objects.map(
          (object, n): EntityPlace => ({
            object,
            path: collected.pathOf(n),
            representationIndex: representationIndexes[n] as number,
            cause: undefined,
          }),
        );
        settle(execution, request, places, data, response.errors ?? []);
      }
    };
    const response = send(execution, sentVariables);
    if ('then' in response) return response.then(receive);
    receive(response);
    return true;
  };

  return (execution) => {
    const done = runCompiled(execution);
    if (done !== false) return done === true ? undefined : done;
    // After an earlier error, missing fields have a cause that must be reported.
    const sentVariables = pickVariables(step.variableUsages, execution.variables);
    const found = collectEntityPlaces(execution, requests, sentVariables, matchesType);
    const hasEntities = variables.some((name) => (sentVariables[name] as unknown[]).length > 0);
    return whenReceived(hasEntities ? send(execution, sentVariables) : { data: {} }, (response) => {
      const data = response.data ? (prepare(response.data) as DataObject) : null;
      requests.forEach((request, i) => void settle(execution, request, found[i] ?? [], data, response.errors ?? []));
    });
  };
}

/** The errors of an alias: of a field of one entity, of one entity as a whole, and the first without an entity. */
function groupErrors(errors: readonly SubgraphError[], alias: string, aliasNames: ReadonlySet<string>) {
  const ofFields = new Map<number, SubgraphError[]>();
  const ofEntities = new Map<number, SubgraphError>();
  let withoutEntity: SubgraphError | undefined;
  for (const error of errors) {
    const [head, index, ...rest] = error.path ?? [];
    if (head !== alias && typeof head === 'string' && aliasNames.has(head)) continue;
    if (head !== alias || typeof index !== 'number') withoutEntity ??= error;
    else if (rest.length === 0) ofEntities.set(index, ofEntities.get(index) ?? error);
    else ofFields.set(index, [...(ofFields.get(index) ?? []), error]);
  }
  return { ofFields, ofEntities, withoutEntity };
}

const toDataObject = (value: unknown): DataObject | null => (isDataObject(value) ? value : null);
