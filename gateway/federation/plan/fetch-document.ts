/** Reads the subgraph operations of a plan, and prints a fetch of entities with other aliases. */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  print,
  type SelectionSetNode,
  stripIgnoredCharacters,
} from 'graphql';
import type { DataObject, Path, TypeMatcher } from '../response-data.ts';
import type { EntityAlias, Rewrite } from './plan-types.ts';

/** The selections of the document's only operation. */
export function operationSelections(document: DocumentNode): SelectionSetNode {
  const operation = document.definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  if (operation?.kind !== Kind.OPERATION_DEFINITION)
    throw new Error('unreachable: a fetch of the plan has no operation');
  return operation.selectionSet;
}

/** The selections of the entities under that alias; null if it does not exist. */
export function entitySelections(document: DocumentNode, alias: string): SelectionSetNode | null {
  const field = operationSelections(document).selections.find(
    (selection): selection is FieldNode =>
      selection.kind === Kind.FIELD && (selection.alias ?? selection.name).value === alias,
  );
  return field?.selectionSet ?? null;
}

/** Top-level keys of a selection set that apply to the object's type; null: of all types. */
export function responseKeys(
  document: DocumentNode,
  set: SelectionSetNode,
  object: DataObject | null,
  matchesType: TypeMatcher,
): string[] {
  return set.selections.flatMap((selection): string[] => {
    if (selection.kind === Kind.FIELD) return [(selection.alias ?? selection.name).value];
    const fragment =
      selection.kind === Kind.INLINE_FRAGMENT
        ? selection
        : document.definitions.find(
            (definition): definition is FragmentDefinitionNode =>
              definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === selection.name.value,
          );
    if (!fragment) return [];
    const condition = fragment.typeCondition?.name.value;
    if (condition && object && !matchesType(condition, object['__typename'] as string | undefined)) return [];
    return responseKeys(document, fragment.selectionSet, object, matchesType);
  });
}

/** Maps a path of a subgraph's response to the path after the planner's key renames. */
export function createKeyRenamer(rewrites: readonly Rewrite[] | undefined): (path: Path) => Path {
  const renames = (rewrites ?? []).flatMap((rewrite) => {
    if (!('KeyRenamer' in rewrite)) return [];
    const keys = rewrite.KeyRenamer.path.flatMap((step) => ('Key' in step ? [step.Key] : []));
    return [{ keys, to: rewrite.KeyRenamer.renameKeyTo }];
  });
  if (renames.length === 0) return (path) => path;
  return (path) => {
    const renamed = [...path];
    for (const { keys, to } of renames) {
      let depth = 0;
      for (let i = 0; i < path.length && depth < keys.length; i++) {
        if (typeof path[i] === 'number') continue;
        if (path[i] !== keys[depth]) break;
        depth++;
        if (depth === keys.length) renamed[i] = to;
      }
    }
    return renamed;
  };
}

/** Prints the fetch with these aliases and selections instead of its own. */
export function printEntityFetch(
  document: DocumentNode,
  aliases: readonly {
    readonly alias: Pick<EntityAlias, 'alias' | 'representationsVariableName'>;
    readonly set: SelectionSetNode;
  }[],
): string {
  const [entities] = operationSelections(document).selections;
  if (entities?.kind !== Kind.FIELD) throw new Error('unreachable: a fetch of entities selects none');
  const definitions = document.definitions.map((definition) => {
    if (definition.kind !== Kind.OPERATION_DEFINITION) return definition;
    const variables = definition.variableDefinitions ?? [];
    const names = new Set(variables.map(({ variable }) => variable.name.value));
    const representations = variables.find(({ type }) => print(type) === '[_Any!]!');
    if (!representations) throw new Error('unreachable: a fetch of entities has no representations');
    const newNames = new Set(
      aliases.map(({ alias }) => alias.representationsVariableName).filter((name) => !names.has(name)),
    );
    const variable = (value: string) => ({ kind: Kind.VARIABLE, name: { kind: Kind.NAME, value } }) as const;
    return {
      ...definition,
      variableDefinitions: [
        ...variables,
        ...[...newNames].map((name) => ({ ...representations, variable: variable(name) })),
      ],
      selectionSet: {
        kind: Kind.SELECTION_SET,
        selections: aliases.map(
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
