/**
 * Validation in time linear in the document: graphql-js' own rules in one walk that asks only the rules that look at a node's kind; what is
 * superlinear there (circles of fragments, fields that overlap, places in the text) is done here. At most a hundred faults are reported.
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
import { isCompact } from '../plan/compact-document.ts';
import { TooLarge } from '../plan/normalized-selection.ts';
import { type Fault, placed } from './error-locations.ts';
import { circleOf } from './fragment-cycles.ts';
import { type InputRules, literals } from './input-values.ts';
import { overlappingFields } from './overlapping-fields.ts';

const MOST_FAULTS = 100;
/** In a longer text no places are reported: finding them costs as much as the rest of the validation. */
const MOST_PLACED = 100_000;
const RULES = specifiedRules.filter((one) => one !== NoFragmentCyclesRule && one !== OverlappingFieldsCanBeMergedRule);

/** Documents that were found valid: who asks next need not look again. */
const valid = new WeakMap<DocumentNode, GraphQLSchema>();

/**
 * The faults of a document that was parsed from `text`; none: it is valid. What takes too much to compare is refused with LIMIT_COST.
 * `inputs`: what literals must be besides. `work`: how many nodes were looked at.
 */
export function validateDocument(
  schema: GraphQLSchema,
  document: DocumentNode,
  text: string,
  inputs: InputRules | null = null,
): { faults: readonly GraphQLFormattedError[]; work: number } {
  if (valid.get(document) === schema) return { faults: [], work: 0 };
  const placeable = isCompact(document) || text.length > MOST_PLACED ? null : text;
  const { circle, work } = circleOf(document);
  if (circle) return { faults: placed([circle], document, placeable), work };
  const byRules = checkRules(schema, document, inputs);
  if (byRules.faults.length > 0)
    return { faults: placed(byRules.faults, document, placeable), work: work + byRules.work };
  try {
    const { conflicts, work: compared } = overlappingFields(schema, document);
    if (conflicts.length === 0) valid.set(document, schema);
    return {
      faults: placed(conflicts.slice(0, MOST_FAULTS), document, placeable),
      work: work + byRules.work + compared,
    };
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    const extensions = { code: 'LIMIT_COST', limit: error.limit };
    return { faults: [{ message: error.message, extensions }], work: work + byRules.work + error.limit };
  }
}

/** What each kind of node holds that some rule looks at; names are none. */
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

type Look = (
  node: ASTNode,
  key: undefined,
  parent: ASTNode | undefined,
  path: never[],
  ancestors: unknown[],
) => unknown;
/** One rule's function for one kind of node. */
interface Step {
  readonly rule: number;
  readonly look: Look;
}

type Usages = ReturnType<ValidationContext['getVariableUsages']>;

/** The library would walk every definition again for the variables that are used there. */
class Context extends ValidationContext {
  readonly usages = new Map<unknown, Usages[number][]>();

  override getVariableUsages(node: OperationDefinitionNode | FragmentDefinitionNode): Usages {
    return this.usages.get(node) ?? [];
  }
}

/** No rule asks for it. */
const NO_PATH: never[] = [];
const ENOUGH = Symbol('enough faults');

function checkRules(
  schema: GraphQLSchema,
  document: DocumentNode,
  inputs: InputRules | null,
): { faults: readonly Fault[]; work: number } {
  const faults: Fault[] = [];
  const info = new TypeInfo(schema);
  const context = new Context(schema, document, info, (error) => {
    if (faults.length >= MOST_FAULTS) {
      faults.push({ message: 'Too many validation errors, error limit reached. Validation aborted.' });
      throw ENOUGH;
    }
    faults.push(error);
  });
  const visitors = RULES.map((rule): ASTVisitor => rule(context));
  if (inputs) visitors.push(literals(context, inputs));
  const steps = new Map<Kind, { enter: Step[]; leave: Step[] }>();
  const stepsOf = (kind: Kind) => {
    let known = steps.get(kind);
    if (!known) {
      const of = (side: 'enter' | 'leave'): Step[] =>
        visitors.flatMap((visitor, rule) => {
          // Rules that look at every kind look for directives.
          if (side in visitor && !CHILDREN[kind]?.includes('directives')) return [];
          const look = getEnterLeaveForKind(visitor, kind)[side];
          return look ? [{ rule, look: look.bind(visitor) as Look }] : [];
        });
      known = { enter: of('enter'), leave: of('leave') };
      steps.set(kind, known);
    }
    return known;
  };
  /** The node below which a rule does not want to look. */
  const skipped: (ASTNode | null)[] = visitors.map(() => null);
  // Rules find the definition at the third place.
  const ancestors: unknown[] = [];
  let work = 0;
  /** Plain fields that were found sound, by the type that they are asked of: of such a field no rule sees more than this. */
  const sound = new Map<unknown, Set<string>>();
  const isSound = (node: ASTNode): boolean => {
    if (node.kind !== Kind.FIELD || node.arguments?.length || node.directives?.length) return false;
    const type = info.getParentType();
    const name = `${node.name.value}${node.selectionSet ? '{' : ''}`;
    const names = sound.get(type) ?? new Set();
    sound.set(type, names);
    if (names.has(name)) return true;
    // A faulty field is reported each time, until there are enough faults.
    if (faults.length === 0) names.add(name);
    return false;
  };
  /** Notes that the definition uses the variable where the walk stands. */
  const use = (node: VariableNode): void => {
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
  /** A value that fits no type of its own: nothing but variables and the fields of objects is looked at. */
  const loose = (value: ValueNode, parent: ASTNode): void => {
    if (value.kind === Kind.OBJECT) walk(value, parent);
    else work++;
    if (value.kind === Kind.VARIABLE) use(value);
    else if (value.kind === Kind.LIST) for (const one of value.values) loose(one, value);
  };
  const walk = (node: ASTNode, parent: ASTNode | undefined): void => {
    work++;
    if (isSound(node)) {
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
    if (node.kind === Kind.VARIABLE && parent?.kind !== Kind.VARIABLE_DEFINITION) use(node);
    for (const { rule, look } of enter)
      if (skipped[rule] === null && look(node, undefined, parent, NO_PATH, ancestors) === false) skipped[rule] = node;
    ancestors.push(node);
    if (node.kind === Kind.DOCUMENT) ancestors.push(node.definitions);
    // A list where a scalar or something else stands has been looked at as a whole.
    const whole = node.kind === Kind.LIST && enter.some(({ rule }) => skipped[rule] === node);
    if (whole) for (const one of node.values) loose(one, node);
    for (const name of whole ? [] : (CHILDREN[node.kind] ?? [])) {
      const child = (node as unknown as Record<string, ASTNode | readonly ASTNode[] | undefined>)[name];
      if (Array.isArray(child)) {
        for (let i = 0; i < child.length; i++) walk(child[i] as ASTNode, node);
      } else if (child) walk(child as ASTNode, node);
    }
    ancestors.pop();
    for (const { rule, look } of leave) if (skipped[rule] === null) look(node, undefined, parent, NO_PATH, ancestors);
    for (const { rule } of enter) if (skipped[rule] === node) skipped[rule] = null;
    info.leave(node);
  };
  try {
    // Rules ask at the end of an operation for the variables of its fragments.
    const isFragment = (one: DefinitionNode): boolean => one.kind === Kind.FRAGMENT_DEFINITION;
    const definitions = [
      ...document.definitions.filter(isFragment),
      ...document.definitions.filter((one) => !isFragment(one)),
    ];
    walk({ ...document, definitions }, undefined);
  } catch (error) {
    // The library bounds its own work on fragments.
    if (error instanceof GraphQLError) faults.push(error);
    else if (error !== ENOUGH) throw error;
  }
  return { faults, work };
}
