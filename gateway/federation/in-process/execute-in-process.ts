/**
 * A subgraph of this process without a request to it: the planner's operation compiled into code that calls the schema's own
 * resolvers. Arguments, context, `info`, custom scalars, promises, faults and nulls are those of graphql-js; what is left out is
 * its bookkeeping for each field. Whatever the generated code does not know at first sight, `Frame` does the long way.
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
import type { SubgraphError, SubgraphResponse } from '../../../connectors/kit/connector.ts';
import type { Tree } from '../response-data.ts';
import { type Coerce, coercer } from '../validate/coerce-variables.ts';
import { Frame } from './execution-frame.ts';
import { argumentsFor } from './field-arguments.ts';
import { isWritten, serialized } from './leaf-values.ts';
import { type FailedField, settleFailures } from './null-propagation.ts';
import {
  declaresInfo,
  type FieldPlan,
  fragmentsOf,
  type Operation,
  type Position,
  typeDeclaresInfo,
  type Unit,
  unitOf,
} from './typed-operation.ts';

export type Fused = (
  variables: Readonly<Record<string, unknown>>,
  context: unknown,
) => SubgraphResponse | Promise<SubgraphResponse>;

/** Null when the operation is to be executed the ordinary way: mutations, directives, and what the schema refuses. */
export function fuse(schema: GraphQLSchema, text: string, shown: (error: FailedField) => SubgraphError): Fused | null {
  const document = parse(text, { noLocation: true });
  const node = getOperationAST(document);
  const root = schema.getQueryType();
  if (!node || node.operation !== OperationTypeNode.QUERY || !root || hasDirectives(document)) return null;
  if (validate(schema, document).length > 0) return null;
  const operation: Operation = { schema, node, fragments: fragmentsOf(document), made: new Map() };
  const unit = unitOf(operation, root, [node.selectionSet]);
  generate(operation, unit);
  const coerce: Coerce = coercer(schema, node.variableDefinitions ?? []);
  const finish = (frame: Frame, data: Tree): SubgraphResponse =>
    frame.failures.length === 0 ? { data } : settleFailures(operation, unit, data, frame.failures, shown);
  return (variables, context) => {
    const made = coerce(variables);
    if (made.errors) return { errors: made.errors.map((one) => shown(new GraphQLError(one.message))) };
    const frame = new Frame(operation, made.coerced, context, generate);
    const data = unit.make(undefined, frame, undefined);
    const waiting = frame.settled();
    return waiting === null ? finish(frame, data) : waiting.then(() => finish(frame, data));
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

const NOTHING = Object.freeze(Object.create(null) as object);

/** Makes the code of a unit and of all units that are surely below it. */
function generate(operation: Operation, unit: Unit): void {
  new Code(operation).add(unit);
}

class Code {
  readonly #operation: Operation;
  readonly #lent: unknown[] = [];
  readonly #units = new Map<Unit, string>();
  #text = '';
  #names = 0;

  constructor(operation: Operation) {
    this.#operation = operation;
  }

  add(unit: Unit): void {
    this.#unit(unit);
    const lent = this.#lent.map((_, i) => `L${i}`).join(',');
    const names = [...this.#units.values()];
    const make = new Function(
      'L',
      `'use strict';const [${lent}]=L;${this.#text}return [${names.map((name) => `${name},B${name}`).join(',')}];`,
    ) as (lent: unknown[]) => unknown[];
    const made = make(this.#lent);
    [...this.#units.keys()].forEach((one, i) => {
      one.make = made[2 * i] as Unit['make'];
      this.#operation.made.set((made[2 * i + 1] as { prototype: object }).prototype, one);
    });
  }

  #lend(value: unknown): string {
    const known = this.#lent.indexOf(value);
    return `L${known >= 0 ? known : this.#lent.push(value) - 1}`;
  }

  #unit(unit: Unit): string {
    const known = this.#units.get(unit);
    if (known) return known;
    const name = `u${this.#names++}`;
    this.#units.set(unit, name);
    const keys = unit.fields.map((one) => JSON.stringify(one.key));
    // Objects without the prototype of objects, yet of one hidden class: no key has a meaning of its own.
    const starts = unit.fields.map(
      (one, i) => `this[${keys[i]}]=${one.definition ? 'null' : JSON.stringify(unit.type.name)};`,
    );
    const cases = unit.fields.map((one, i) => `case ${i}:${one.definition ? this.#field(one) : ''}f=${i + 1};`);
    const positions = this.#lend(unit.fields.map((one) => one.position));
    this.#text += `function B${name}(){${starts.join('')}}B${name}.prototype=Object.create(null);
function ${name}(s,x,p){const o=new B${name}(),d=typeof s==='object'||typeof s==='function'?s:${this.#lend(NOTHING)};let v,f=0;
for(;;){try{switch(f){${cases.join('\n')}}return o;}catch(e){x.fail(e,${positions}[f],o,[${keys.join(',')}][f]);f++;}}}\n`;
    return name;
  }

  #field(field: FieldPlan): string {
    const key = JSON.stringify(field.key);
    const position = field.position;
    if (!field.resolve) {
      const value = `v=d[${JSON.stringify(field.name)}];`;
      return `${value}${this.#quick(position, 'o', key, field.parent.name)}else x.property(v,${this.#lend(field)},s,o,p);`;
    }
    const given = field.fixed
      ? Object.keys(field.fixed).length === 0
        ? '{}'
        : `{...${this.#lend(field.fixed)}}`
      : `(0,${this.#lend(argumentsFor)})(${this.#lend(field)},x.variables)`;
    const info = declaresInfo(field.resolve) ? `,x.info(${this.#lend(field)},p)` : '';
    const call = `v=(0,${this.#lend(field.resolve)})(s,${given},x.context${info});`;
    return `${call}${this.#quick(position, 'o', key, field.parent.name)}else x.take(v,${this.#lend(position)},o,${key},p);`;
  }

  /** Takes `v` where it is what one expects; to be followed by `else`. */
  #quick(position: Position, box: string, key: string, parent: string | null): string {
    const at = position.field.informs
      ? `{prev:p,key:${key},typename:${parent === null ? 'undefined' : JSON.stringify(parent)}}`
      : 'undefined';
    const none = position.nonNull ? '' : `else if(v===null||v===undefined)${box}[${key}]=null;`;
    switch (position.kind) {
      case 'leaf': {
        const written = isWritten(position.type, 'v');
        if (written) return `if(${written})${box}[${key}]=v;${none}`;
        const text = `typeof v==='string'||typeof v==='number'||typeof v==='boolean'`;
        return `if(${text})${box}[${key}]=${this.#lend(serialized)}(v,${this.#lend(position.type)});${none}`;
      }
      case 'object':
        if (position.type.isTypeOf) return `if(false);${none}`;
        return `if(typeof v==='object'&&v!==null&&typeof v.then!=='function'&&!(v instanceof Error))${box}[${key}]=${this.#unit(position.unit)}(v,x,${at});${none}`;
      case 'list':
        return `if(Array.isArray(v))${box}[${key}]=${this.#list(position)}(v,x,${at});${none}`;
      case 'abstract': {
        const { resolveType } = position.type;
        if (!resolveType || typeDeclaresInfo(resolveType)) return `if(false);${none}`;
        // Most type resolvers only look at the value; a type that was met before has its code.
        const place = this.#lend(position);
        return `if(typeof v==='object'&&v!==null&&typeof v.then!=='function'&&!(v instanceof Error)){const t=${this.#lend(resolveType)}(v,x.context,undefined,${this.#lend(position.type)}),u=${this.#lend(position.units)}.get(t);if(u!==undefined&&!u.type.isTypeOf)${box}[${key}]=u.make(v,x,u.tracks?${at}:undefined);else x.told(t,v,${place},${box},${key},p);}${none}`;
      }
    }
  }

  #list(position: Position & { kind: 'list' }): string {
    const name = `l${this.#names++}`;
    const { of } = position;
    const place = this.#lend(of);
    const item = `${this.#quick(of, 'r', 'i', null)}else x.take(v,${place},r,i,p);`;
    // What throws must not take the whole list with it.
    const throws = of.kind === 'abstract' || (of.kind === 'leaf' && !isWritten(of.type, 'v'));
    const taken = throws ? `try{${item}}catch(e){x.fail(e,${place},r,i);}` : item;
    this.#text += `function ${name}(a,x,p){const n=a.length,r=new Array(n);for(let i=0;i<n;i++){const v=a[i];${taken}}return r;}\n`;
    return name;
  }
}
