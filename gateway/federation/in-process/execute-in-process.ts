/**
 * Executes an operation on a subgraph of this process without text, parser or graphql-js: it is compiled to code that calls the schema's
 * resolvers. Arguments, context, `info`, custom scalars, promises, errors and nulls are as in graphql-js. Values that the generated code cannot
 * complete are completed by `ExecutionFrame`.
 */
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  OperationTypeNode,
  parse,
  validate,
  visit,
} from 'graphql';
import type { SubgraphError, SubgraphResponse } from '../../../connectors/kit/call.ts';
import type { DataObject } from '../response-data.ts';
import { type CoerceVariables, createVariableCoercion } from '../validate/coerce-variables.ts';
import { ExecutionFrame } from './execution-frame.ts';
import { argumentsFor } from './field-arguments.ts';
import { serializedCondition, serializeLeaf } from './leaf-values.ts';
import { buildFailedResponse, type FieldError } from './null-propagation.ts';
import {
  type FieldPlan,
  fragmentsByName,
  type ObjectPlan,
  planObject,
  resolverTakesInfo,
  type TypedOperation,
  typeResolverTakesInfo,
  type ValuePosition,
} from './typed-operation.ts';

/** A compiled operation. Never throws or rejects for an error of a resolver. */
export type InProcessOperation = (
  variables: Readonly<Record<string, unknown>>,
  context: unknown,
) => SubgraphResponse | Promise<SubgraphResponse>;

/**
 * Compiles a query. Null if it must be executed by graphql-js: mutations, operations with directives, and invalid ones. `toSubgraphError`
 * converts the errors of the response.
 */
export function compileInProcess(
  schema: GraphQLSchema,
  text: string,
  toSubgraphError: (error: FieldError) => SubgraphError,
): InProcessOperation | null {
  const document = parse(text, { noLocation: true });
  const node = getOperationAST(document);
  const root = schema.getQueryType();
  if (!node || node.operation !== OperationTypeNode.QUERY || !root || hasDirectives(document)) return null;
  if (validate(schema, document).length > 0) return null;
  const operation: TypedOperation = { schema, node, fragments: fragmentsByName(document), planByPrototype: new Map() };
  const rootPlan = planObject(operation, root, [node.selectionSet]);
  generateCode(operation, rootPlan);
  const coerce: CoerceVariables = createVariableCoercion(schema, node.variableDefinitions ?? []);
  const finish = (frame: ExecutionFrame, data: DataObject): SubgraphResponse =>
    frame.failures.length === 0
      ? { data }
      : buildFailedResponse(operation, rootPlan, data, frame.failures, toSubgraphError);
  return (variables, context) => {
    const result = coerce(variables);
    if (result.errors)
      return { errors: result.errors.map((error) => toSubgraphError(new GraphQLError(error.message))) };
    const frame = new ExecutionFrame(operation, result.coerced, context, generateCode);
    const data = rootPlan.build(undefined, frame, undefined);
    const pending = frame.whenSettled();
    return pending === null ? finish(frame, data) : pending.then(() => finish(frame, data));
  };
}

function hasDirectives(document: DocumentNode): boolean {
  let found = false;
  visit(document, {
    Directive: () => {
      found = true;
    },
  });
  return found;
}

const EMPTY_SOURCE = Object.freeze(Object.create(null) as object);

/** Generates the code of an object plan and of all plans below it, except those of abstract types. */
function generateCode(operation: TypedOperation, plan: ObjectPlan): void {
  new CodeGenerator(operation).generate(plan);
}

class CodeGenerator {
  readonly #operation: TypedOperation;
  readonly #constants: unknown[] = [];
  readonly #planNames = new Map<ObjectPlan, string>();
  #code = '';
  #nameCount = 0;

  constructor(operation: TypedOperation) {
    this.#operation = operation;
  }

  generate(rootPlan: ObjectPlan): void {
    this.#objectFunction(rootPlan);
    const constants = this.#constants.map((_, i) => `L${i}`).join(',');
    const names = [...this.#planNames.values()];
    const make = new Function(
      'L',
      `'use strict';const [${constants}]=L;${this.#code}return [${names.map((name) => `${name},B${name}`).join(',')}];`,
    ) as (constants: unknown[]) => unknown[];
    const functions = make(this.#constants);
    [...this.#planNames.keys()].forEach((plan, i) => {
      plan.build = functions[2 * i] as ObjectPlan['build'];
      this.#operation.planByPrototype.set((functions[2 * i + 1] as { prototype: object }).prototype, plan);
    });
  }

  /** The name of a value in the generated code. */
  #constant(value: unknown): string {
    const index = this.#constants.indexOf(value);
    return `L${index >= 0 ? index : this.#constants.push(value) - 1}`;
  }

  /** Generates the function that builds objects of the plan, and returns its name. */
  #objectFunction(plan: ObjectPlan): string {
    const existing = this.#planNames.get(plan);
    if (existing) return existing;
    const name = `u${this.#nameCount++}`;
    this.#planNames.set(plan, name);
    const keys = plan.fields.map((field) => JSON.stringify(field.key));
    // Objects that inherit no keys, but share a hidden class.
    const initializers = plan.fields.map(
      (field, i) => `this[${keys[i]}]=${field.definition ? 'null' : JSON.stringify(plan.type.name)};`,
    );
    const cases = plan.fields.map(
      (field, i) => `case ${i}:${field.definition ? this.#fieldCode(field) : ''}f=${i + 1};`,
    );
    const positions = this.#constant(plan.fields.map((field) => field.position));
    this.#code += `function B${name}(){${initializers.join('')}}B${name}.prototype=Object.create(null);
function ${name}(s,x,p){const o=new B${name}(),d=typeof s==='object'||typeof s==='function'?s:${this.#constant(EMPTY_SOURCE)};let v,f=0;
for(;;){try{switch(f){${cases.join('\n')}}return o;}catch(e){x.fail(e,${positions}[f],o,[${keys.join(',')}][f]);f++;}}}\n`;
    return name;
  }

  #fieldCode(field: FieldPlan): string {
    const key = JSON.stringify(field.key);
    const position = field.position;
    if (!field.resolve) {
      const value = `v=d[${JSON.stringify(field.name)}];`;
      return `${value}${this.#completeCode(position, 'o', key, field.parent.name)}else x.completeProperty(v,${this.#constant(field)},s,o,p);`;
    }
    const args = field.constantArguments
      ? Object.keys(field.constantArguments).length === 0
        ? '{}'
        : `{...${this.#constant(field.constantArguments)}}`
      : `(0,${this.#constant(argumentsFor)})(${this.#constant(field)},x.variables)`;
    const info = resolverTakesInfo(field.resolve) ? `,x.resolveInfo(${this.#constant(field)},p)` : '';
    const call = `v=(0,${this.#constant(field.resolve)})(s,${args},x.context${info});`;
    return `${call}${this.#completeCode(position, 'o', key, field.parent.name)}else x.complete(v,${this.#constant(position)},o,${key},p);`;
  }

  /** Code that completes `v` if it is of the expected kind; must be followed by `else`. */
  #completeCode(position: ValuePosition, container: string, key: string, parent: string | null): string {
    const at = position.field.needsInfo
      ? `{prev:p,key:${key},typename:${parent === null ? 'undefined' : JSON.stringify(parent)}}`
      : 'undefined';
    const nullCase = position.nonNull ? '' : `else if(v===null||v===undefined)${container}[${key}]=null;`;
    switch (position.kind) {
      case 'leaf': {
        const isSerialized = serializedCondition(position.type, 'v');
        if (isSerialized) return `if(${isSerialized})${container}[${key}]=v;${nullCase}`;
        const isPrimitive = `typeof v==='string'||typeof v==='number'||typeof v==='boolean'`;
        return `if(${isPrimitive})${container}[${key}]=${this.#constant(serializeLeaf)}(v,${this.#constant(position.type)});${nullCase}`;
      }
      case 'object':
        if (position.type.isTypeOf) return `if(false);${nullCase}`;
        return `if(typeof v==='object'&&v!==null&&typeof v.then!=='function'&&!(v instanceof Error))${container}[${key}]=${this.#objectFunction(position.unit)}(v,x,${at});${nullCase}`;
      case 'list':
        return `if(Array.isArray(v))${container}[${key}]=${this.#listFunction(position)}(v,x,${at});${nullCase}`;
      case 'abstract': {
        const { resolveType } = position.type;
        if (!resolveType || typeResolverTakesInfo(resolveType)) return `if(false);${nullCase}`;
        // Most type resolvers read only the value. `units` has the types that were seen before.
        const positionName = this.#constant(position);
        return `if(typeof v==='object'&&v!==null&&typeof v.then!=='function'&&!(v instanceof Error)){const t=${this.#constant(resolveType)}(v,x.context,undefined,${this.#constant(position.type)}),u=${this.#constant(position.units)}.get(t);if(u!==undefined&&!u.type.isTypeOf)${container}[${key}]=u.build(v,x,u.needsPath?${at}:undefined);else x.completeAbstract(t,v,${positionName},${container},${key},p);}${nullCase}`;
      }
    }
  }

  /** Generates the function that completes a list, and returns its name. */
  #listFunction(position: ValuePosition & { kind: 'list' }): string {
    const name = `l${this.#nameCount++}`;
    const { of } = position;
    const positionName = this.#constant(of);
    const item = `${this.#completeCode(of, 'r', 'i', null)}else x.complete(v,${positionName},r,i,p);`;
    // An item that throws must not fail the whole list.
    const canThrow = of.kind === 'abstract' || (of.kind === 'leaf' && !serializedCondition(of.type, 'v'));
    const body = canThrow ? `try{${item}}catch(e){x.fail(e,${positionName},r,i);}` : item;
    this.#code += `function ${name}(a,x,p){const n=a.length,r=new Array(n);for(let i=0;i<n;i++){const v=a[i];${body}}return r;}\n`;
    return name;
  }
}
