/** The operations that the planner wrote for subgraphs: how they are read, and how a fetch of entities is written anew. */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  print,
  type SelectionSetNode,
  stripIgnoredCharacters,
} from 'graphql';
import type { Fits, Path, Tree } from '../response-data.ts';
import type { EntityAlias, Rewrite } from './planner.ts';

/** The selection of the document's one operation. */
export function operationSet(document: DocumentNode): SelectionSetNode {
  const operation = document.definitions.find((one) => one.kind === Kind.OPERATION_DEFINITION);
  if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error('A fetch of the plan has no operation.');
  return operation.selectionSet;
}

/** What is asked of the entities under that alias. */
export function entitySet(document: DocumentNode, alias: string): SelectionSetNode | null {
  const field = operationSet(document).selections.find(
    (one): one is FieldNode => one.kind === Kind.FIELD && (one.alias ?? one.name).value === alias,
  );
  return field?.selectionSet ?? null;
}

/** Keys at the top of a selection, for an object of this type; for all types when there is no object. */
export function responseKeys(document: DocumentNode, set: SelectionSetNode, object: Tree | null, fits: Fits): string[] {
  return set.selections.flatMap((one): string[] => {
    if (one.kind === Kind.FIELD) return [(one.alias ?? one.name).value];
    const fragment =
      one.kind === Kind.INLINE_FRAGMENT
        ? one
        : document.definitions.find(
            (each): each is FragmentDefinitionNode =>
              each.kind === Kind.FRAGMENT_DEFINITION && each.name.value === one.name.value,
          );
    if (!fragment) return [];
    const condition = fragment.typeCondition?.name.value;
    if (condition && object && !fits(condition, object['__typename'] as string | undefined)) return [];
    return responseKeys(document, fragment.selectionSet, object, fits);
  });
}

/** Paths of a subgraph's answer as they are after the planner's renamings. */
export function keyRenames(rewrites: readonly Rewrite[] | undefined): (path: Path) => Path {
  const renames = (rewrites ?? []).flatMap((one) => {
    if (!('KeyRenamer' in one)) return [];
    const keys = one.KeyRenamer.path.flatMap((step) => ('Key' in step ? [step.Key] : []));
    return [{ keys, to: one.KeyRenamer.renameKeyTo }];
  });
  if (renames.length === 0) return (path) => path;
  return (path) => {
    const made = [...path];
    for (const { keys, to } of renames) {
      let depth = 0;
      for (let i = 0; i < path.length && depth < keys.length; i++) {
        if (typeof path[i] === 'number') continue;
        if (path[i] !== keys[depth]) break;
        depth++;
        if (depth === keys.length) made[i] = to;
      }
    }
    return made;
  };
}

/** The text of a fetch of entities under these aliases, from one under others. */
export function entitiesText(
  document: DocumentNode,
  made: readonly {
    readonly alias: Pick<EntityAlias, 'alias' | 'representationsVariableName'>;
    readonly set: SelectionSetNode;
  }[],
): string {
  const [known] = operationSet(document).selections;
  if (known?.kind !== Kind.FIELD) throw new Error('A fetch of entities asks for none.');
  const definitions = document.definitions.map((one) => {
    if (one.kind !== Kind.OPERATION_DEFINITION) return one;
    const variables = one.variableDefinitions ?? [];
    const names = new Set(variables.map(({ variable }) => variable.name.value));
    const representations = variables.find(({ type }) => print(type) === '[_Any!]!');
    if (!representations) throw new Error('A fetch of entities has no representations.');
    const more = new Set(made.map(({ alias }) => alias.representationsVariableName).filter((name) => !names.has(name)));
    const variable = (value: string) => ({ kind: Kind.VARIABLE, name: { kind: Kind.NAME, value } }) as const;
    return {
      ...one,
      variableDefinitions: [
        ...variables,
        ...[...more].map((name) => ({ ...representations, variable: variable(name) })),
      ],
      selectionSet: {
        kind: Kind.SELECTION_SET,
        selections: made.map(
          ({ alias, set }): FieldNode => ({
            kind: Kind.FIELD,
            ...(alias.alias === '_entities' ? {} : { alias: { kind: Kind.NAME, value: alias.alias } }),
            name: { kind: Kind.NAME, value: '_entities' },
            arguments: [
              {
                kind: Kind.ARGUMENT,
                name: { kind: Kind.NAME, value: 'representations' },
                value: variable(alias.representationsVariableName),
              },
            ],
            selectionSet: set,
          }),
        ),
      },
    } as const;
  });
  return stripIgnoredCharacters(print({ ...document, definitions }));
}
