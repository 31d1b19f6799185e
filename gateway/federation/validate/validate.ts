/**
 * Validates documents in linear time: the rules of graphql-js run in one walk, each only for the kinds of nodes that it visits; what takes more
 * than linear time in graphql-js (fragment cycles, overlapping fields, locations) is reimplemented. At most 100 errors are reported.
 */
import {
  type ASTNode,
  type ASTVisitor,
  type DefinitionNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  getEnterLeaveForKind,
  Kind,
  NoFragmentCyclesRule,
  type OperationDefinitionNode,
  OverlappingFieldsCanBeMergedRule,
  specifiedRules,
  TypeInfo,
  ValidationContext,
  type ValueNode,
  type VariableNode,
} from 'graphql';
import { OperationTooLarge } from '../operation-too-large.ts';
import { isCompacted } from './compact-document.ts';
import { type DocumentError, withLocations } from './error-locations.ts';
import { findFragmentCycle } from './fragment-cycles.ts';
import { createLiteralRule, type InputRules } from './input-values.ts';
import { overlappingFields } from './overlapping-fields.ts';

const MAX_ERRORS = 100;
/** Characters. Errors of longer texts have no locations: finding them costs as much as the rest of the validation. */
const MAX_LOCATED_LENGTH = 100_000;
const RULES = specifiedRules.filter(
  (specifiedRule) => specifiedRule !== NoFragmentCyclesRule && specifiedRule !== OverlappingFieldsCanBeMergedRule,
);

/** Documents that are known to be valid for a schema. */
const validFor = new WeakMap<DocumentNode, GraphQLSchema>();

/**
 * The errors of a document that was parsed from `text`; empty if it is valid. A document whose fields take too long to compare has one error
 * with the code LIMIT_COST. `inputRules` also apply to literals. `work`: number of visited nodes.
 */
export function validateDocument(
  schema: GraphQLSchema,
  document: DocumentNode,
  text: string,
  inputRules: InputRules | null = null,
): { errors: readonly GraphQLFormattedError[]; work: number } {
  if (validFor.get(document) === schema) return { errors: [], work: 0 };
  const locatedText = isCompacted(document) || text.length > MAX_LOCATED_LENGTH ? null : text;
  const { cycle, work } = findFragmentCycle(document);
  if (cycle) return { errors: withLocations([cycle], document, locatedText), work };
  const byRules = checkRules(schema, document, inputRules);
  if (byRules.errors.length > 0)
    return { errors: withLocations(byRules.errors, document, locatedText), work: work + byRules.work };
  try {
    const { conflicts, work: compared } = overlappingFields(schema, document);
    if (conflicts.length === 0) validFor.set(document, schema);
    return {
      errors: withLocations(conflicts.slice(0, MAX_ERRORS), document, locatedText),
      work: work + byRules.work + compared,
    };
  } catch (error) {
    if (!(error instanceof OperationTooLarge)) throw error;
    const extensions = { code: 'LIMIT_COST', limit: error.limit };
    return { errors: [{ message: error.message, extensions }], work: work + byRules.work + error.limit };
  }
}

/** The children of each kind of node that some rule visits; names are not among them. */
const CHILDREN: Partial<Record<Kind, readonly string[]>> = {
  [Kind.DOCUMENT]: ['definitions'],
  [Kind.OPERATION_DEFINITION]: ['variableDefinitions', 'directives', 'selectionSet'],
  [Kind.VARIABLE_DEFINITION]: ['variable', 'type', 'defaultValue', 'directives'],
  [Kind.SELECTION_SET]: ['selections'],
  [Kind.FIELD]: ['arguments', 'directives', 'selectionSet'],
  [Kind.ARGUMENT]: ['value'],
  [Kind.FRAGMENT_SPREAD]: ['directives'],
  [Kind.INLINE_FRAGMENT]: ['typeCondition', 'directives', 'selectionSet'],
  [Kind.FRAGMENT_DEFINITION]: ['variableDefinitions', 'typeCondition', 'directives', 'selectionSet'],
  [Kind.LIST]: ['values'],
  [Kind.OBJECT]: ['fields'],
  [Kind.OBJECT_FIELD]: ['value'],
  [Kind.DIRECTIVE]: ['arguments'],
  [Kind.LIST_TYPE]: ['type'],
  [Kind.NON_NULL_TYPE]: ['type'],
};

type VisitNode = (
  node: ASTNode,
  key: undefined,
  parent: ASTNode | undefined,
  path: never[],
  ancestors: unknown[],
) => unknown;
/** A rule's function for one kind of node. */
interface RuleVisitor {
  readonly rule: number;
  readonly visit: VisitNode;
}

type Usages = ReturnType<ValidationContext['getVariableUsages']>;

/** Overrides a method of graphql-js that walks every definition again to find the variables used in it. */
class LinearValidationContext extends ValidationContext {
  readonly usages = new Map<unknown, Usages[number][]>();

  override getVariableUsages(node: OperationDefinitionNode | FragmentDefinitionNode): Usages {
    return this.usages.get(node) ?? [];
  }
}

/** No rule reads it. */
const NO_PATH: never[] = [];
const TOO_MANY_ERRORS = Symbol('too many errors');

function checkRules(
  schema: GraphQLSchema,
  document: DocumentNode,
  inputRules: InputRules | null,
): { errors: readonly DocumentError[]; work: number } {
  const errors: DocumentError[] = [];
  const info = new TypeInfo(schema);
  const context = new LinearValidationContext(schema, document, info, (error) => {
    if (errors.length >= MAX_ERRORS) {
      errors.push({ message: 'Too many validation errors, error limit reached. Validation aborted.' });
      throw TOO_MANY_ERRORS;
    }
    errors.push(error);
  });
  const visitors = RULES.map((rule): ASTVisitor => rule(context));
  if (inputRules) visitors.push(createLiteralRule(context, inputRules));
  const steps = new Map<Kind, { enter: RuleVisitor[]; leave: RuleVisitor[] }>();
  const stepsOf = (kind: Kind) => {
    let known = steps.get(kind);
    if (!known) {
      const of = (side: 'enter' | 'leave'): RuleVisitor[] =>
        visitors.flatMap((visitor, rule) => {
          // Rules that visit every kind look for directives.
          if (side in visitor && !CHILDREN[kind]?.includes('directives')) return [];
          const visit = getEnterLeaveForKind(visitor, kind)[side];
          return visit ? [{ rule, visit: visit.bind(visitor) as VisitNode }] : [];
        });
      known = { enter: of('enter'), leave: of('leave') };
      steps.set(kind, known);
    }
    return known;
  };
  /** The node below which a rule has chosen not to visit. */
  const skipped: (ASTNode | null)[] = visitors.map(() => null);
  // Rules read the definition at index 2.
  const ancestors: unknown[] = [];
  let work = 0;
  /** Valid fields without arguments and directives, by parent type: rules see nothing else of such a field. */
  const validFields = new Map<unknown, Set<string>>();
  const isKnownValid = (node: ASTNode): boolean => {
    if (node.kind !== Kind.FIELD || node.arguments?.length || node.directives?.length) return false;
    const type = info.getParentType();
    const name = `${node.name.value}${node.selectionSet ? '{' : ''}`;
    const names = validFields.get(type) ?? new Set();
    validFields.set(type, names);
    if (names.has(name)) return true;
    // An invalid field is reported each time, up to the limit.
    if (errors.length === 0) names.add(name);
    return false;
  };
  /** Records that the definition uses the variable at the current position. */
  const recordUsage = (node: VariableNode): void => {
    const definition = ancestors[2];
    const usages = context.usages.get(definition) ?? [];
    usages.push({
      node,
      type: info.getInputType(),
      defaultValue: info.getDefaultValue(),
      parentType: info.getParentInputType(),
    });
    context.usages.set(definition, usages);
  };
  /** Visits a value whose list was validated as a whole: only variables and fields of objects are visited. */
  const visitUntyped = (value: ValueNode, parent: ASTNode): void => {
    if (value.kind === Kind.OBJECT) walk(value, parent);
    else work++;
    if (value.kind === Kind.VARIABLE) recordUsage(value);
    else if (value.kind === Kind.LIST) for (const item of value.values) visitUntyped(item, value);
  };
  const walk = (node: ASTNode, parent: ASTNode | undefined): void => {
    work++;
    if (isKnownValid(node)) {
      const { selectionSet } = node as FieldNode;
      if (!selectionSet) return;
      info.enter(node);
      ancestors.push(node);
      walk(selectionSet, node);
      ancestors.pop();
      info.leave(node);
      return;
    }
    const { enter, leave } = stepsOf(node.kind);
    info.enter(node);
    if (node.kind === Kind.VARIABLE && parent?.kind !== Kind.VARIABLE_DEFINITION) recordUsage(node);
    for (const { rule, visit } of enter)
      if (skipped[rule] === null && visit(node, undefined, parent, NO_PATH, ancestors) === false) skipped[rule] = node;
    ancestors.push(node);
    if (node.kind === Kind.DOCUMENT) ancestors.push(node.definitions);
    // A list at the position of a scalar, for example, is validated as a whole.
    const isVisited = node.kind === Kind.LIST && enter.some(({ rule }) => skipped[rule] === node);
    if (isVisited) for (const value of node.values) visitUntyped(value, node);
    for (const name of isVisited ? [] : (CHILDREN[node.kind] ?? [])) {
      const child = (node as unknown as Record<string, ASTNode | readonly ASTNode[] | undefined>)[name];
      if (Array.isArray(child)) {
        for (let i = 0; i < child.length; i++) walk(child[i] as ASTNode, node);
      } else if (child) walk(child as ASTNode, node);
    }
    ancestors.pop();
    for (const { rule, visit } of leave) if (skipped[rule] === null) visit(node, undefined, parent, NO_PATH, ancestors);
    for (const { rule } of enter) if (skipped[rule] === node) skipped[rule] = null;
    info.leave(node);
  };
  try {
    // At the end of an operation, rules read the variables of its fragments: fragments come first.
    const isFragment = (definition: DefinitionNode): boolean => definition.kind === Kind.FRAGMENT_DEFINITION;
    const definitions = [
      ...document.definitions.filter(isFragment),
      ...document.definitions.filter((definition) => !isFragment(definition)),
    ];
    walk({ ...document, definitions }, undefined);
  } catch (error) {
    // graphql-js limits its own work on fragments.
    if (error instanceof GraphQLError) errors.push(error);
    else if (error !== TOO_MANY_ERRORS) throw error;
  }
  return { errors, work };
}
