/** One run of a fused operation: what it waits for, what failed, and the ways that generated code leaves to others. */
import {
  type GraphQLAbstractType,
  GraphQLError,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  getArgumentValues,
  isObjectType,
} from 'graphql';
import type { Tree } from './data.ts';
import { serialized } from './fused-leaf.ts';
import {
  type ArgumentPlan,
  type FieldPlan,
  type Link,
  type Operation,
  type Position,
  typeDeclaresInfo,
  type Unit,
  unitOf,
} from './fused-types.ts';

/** An object or list of the answer. */
export type Box = Tree | unknown[];

export interface Failure {
  readonly error: unknown;
  readonly position: Position;
  readonly box: Box;
  readonly key: string | number;
}

type Maker = (operation: Operation, unit: Unit) => void;

const put = (box: Box, key: string | number, value: unknown): void => {
  (box as Record<string | number, unknown>)[key] = value;
};

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  (typeof value === 'object' || typeof value === 'function') &&
  value !== null &&
  typeof (value as { then?: unknown }).then === 'function';

export class Frame {
  readonly variables: Readonly<Record<string, unknown>>;
  readonly context: unknown;
  readonly failures: Failure[] = [];
  readonly #operation: Operation;
  readonly #generate: Maker;
  #pending = 0;
  #done: (() => void) | null = null;

  constructor(operation: Operation, variables: Readonly<Record<string, unknown>>, context: unknown, generate: Maker) {
    this.#operation = operation;
    this.variables = variables;
    this.context = context;
    this.#generate = generate;
  }

  /** Null when nothing is waited for. */
  settled(): Promise<void> | null {
    if (this.#pending === 0) return null;
    return new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  fail(error: unknown, position: Position, box: Box, key: string | number): void {
    this.failures.push({ error, position, box, key });
    put(box, key, null);
  }

  /** The field's arguments, a new object each time. Throws as graphql-js does. */
  arguments(field: FieldPlan): Record<string, unknown> {
    if (field.fixed) return { ...field.fixed };
    const quick = field.given && this.#quick(field.given);
    if (quick) return quick;
    const { definition, nodes } = field;
    if (!definition) throw new Error('unreachable: only fields of the graph have arguments');
    return getArgumentValues(definition, nodes[0] as never, this.variables as { [name: string]: unknown });
  }

  /** Null where graphql-js must look at it. */
  #quick(all: readonly ArgumentPlan[]): Record<string, unknown> | null {
    const made: Record<string, unknown> = {};
    for (const { name, variable, value, needed } of all) {
      if (variable !== null && Object.hasOwn(this.variables, variable)) {
        const given = this.variables[variable];
        if (needed && given === null) return null;
        made[name] = given;
      } else if (value !== undefined) made[name] = value;
      else if (needed) return null;
    }
    return made;
  }

  info(field: FieldPlan, at: Link | undefined): GraphQLResolveInfo {
    const { schema, fragments, node } = this.#operation;
    return {
      fieldName: field.name,
      fieldNodes: field.nodes,
      returnType: (field.definition as NonNullable<FieldPlan['definition']>).type,
      parentType: field.parent,
      path: { prev: at, key: field.key, typename: field.parent.name },
      schema,
      fragments,
      rootValue: undefined,
      operation: node,
      variableValues: this.variables as { [name: string]: unknown },
    };
  }

  /** A value from a property that generated code does not know how to take at once. `at`: the place of `source`. */
  property(value: unknown, field: FieldPlan, source: unknown, box: Tree, at: Link | undefined): void {
    const called =
      typeof value === 'function'
        ? (source as Record<string, (...all: unknown[]) => unknown>)[field.name]?.(
            this.arguments(field),
            this.context,
            this.info(field, at),
          )
        : value;
    this.take(called, field.position, box, field.key, at);
  }

  /** Puts any value in its place. `at`: the place of the box. */
  take(value: unknown, position: Position, box: Box, key: string | number, at: Link | undefined): void {
    if (isThenable(value)) {
      put(box, key, null);
      this.#wait(value, (result) => this.#now(result, position, box, key, at), position, box, key);
      return;
    }
    try {
      this.#now(value, position, box, key, at);
    } catch (error) {
      this.fail(error, position, box, key);
    }
  }

  #wait(
    value: PromiseLike<unknown>,
    then: (result: unknown) => void,
    position: Position,
    box: Box,
    key: string | number,
  ) {
    this.#pending++;
    value.then(
      (result) => {
        try {
          then(result);
        } catch (error) {
          this.fail(error, position, box, key);
        }
        this.#left();
      },
      (error: unknown) => {
        this.fail(error, position, box, key);
        this.#left();
      },
    );
  }

  #left(): void {
    this.#pending--;
    if (this.#pending === 0) this.#done?.();
  }

  #now(value: unknown, position: Position, box: Box, key: string | number, at: Link | undefined): void {
    if (value instanceof Error) throw value;
    if (value === null || value === undefined) {
      put(box, key, null);
      const { parent, name } = position.field;
      if (position.nonNull) throw new Error(`Cannot return null for non-nullable field ${parent.name}.${name}.`);
      return;
    }
    switch (position.kind) {
      case 'leaf':
        put(box, key, serialized(value, position.type));
        break;
      case 'list':
        this.#list(value, position, box, key, at);
        break;
      case 'object':
        this.#object(value, position, box, key, at);
        break;
      case 'abstract':
        this.#abstract(value, position, box, key, at);
        break;
    }
  }

  #list(value: unknown, position: Position & { kind: 'list' }, box: Box, key: string | number, at: Link | undefined) {
    const iterable = typeof value === 'object' && value !== null && Symbol.iterator in value;
    if (!iterable) {
      const { parent, name } = position.field;
      throw new GraphQLError(`Expected Iterable, but did not find one for field "${parent.name}.${name}".`);
    }
    const made: unknown[] = [];
    put(box, key, made);
    const link = this.#link(position, box, key, at);
    let index = 0;
    for (const item of value as Iterable<unknown>) {
      made.push(null);
      this.take(item, position.of, made, index, link);
      index++;
    }
  }

  #object(
    value: unknown,
    position: Position & { kind: 'object' },
    box: Box,
    key: string | number,
    at: Link | undefined,
  ) {
    const { type, unit } = position;
    if (!type.isTypeOf) {
      put(box, key, unit.make(value, this, this.#link(position, box, key, at)));
      return;
    }
    const fits = type.isTypeOf(value, this.context, this.info(position.field, this.#parent(box, at)));
    const settle = (is: unknown): void => {
      if (!is) throw new GraphQLError(`Expected value of type "${type.name}" but got: ${String(value)}.`);
      put(box, key, unit.make(value, this, this.#link(position, box, key, at)));
    };
    if (isThenable(fits)) {
      put(box, key, null);
      this.#wait(fits, settle, position, box, key);
    } else settle(fits);
  }

  #abstract(
    value: unknown,
    position: Position & { kind: 'abstract' },
    box: Box,
    key: string | number,
    at: Link | undefined,
  ) {
    const { type } = position;
    // Most type resolvers only look at the value.
    const info =
      type.resolveType && !typeDeclaresInfo(type.resolveType)
        ? (undefined as never)
        : this.info(position.field, this.#parent(box, at));
    const name = type.resolveType
      ? type.resolveType(value, this.context, info, type)
      : this.#byDefault(value, type, info);
    this.told(name, value, position, box, key, at);
  }

  /** A value of an abstract type, of which a resolver told `name`, or promised to. */
  told(
    name: unknown,
    value: unknown,
    position: Position & { kind: 'abstract' },
    box: Box,
    key: string | number,
    at: Link | undefined,
  ): void {
    if (isThenable(name)) {
      put(box, key, null);
      this.#wait(name, (told) => this.#typed(told, value, position, box, key, at), position, box, key);
    } else this.#typed(name, value, position, box, key, at);
  }

  /** A value of an abstract type, now that its type is told. */
  #typed(
    name: unknown,
    value: unknown,
    position: Position & { kind: 'abstract' },
    box: Box,
    key: string | number,
    at: Link | undefined,
  ): void {
    let unit = position.units.get(name as string);
    if (!unit) {
      const own = this.#runtimeType(name, position.type, position.field, value);
      unit = unitOf(this.#operation, own, position.sets);
      this.#generate(this.#operation, unit);
      position.units.set(own.name, unit);
    }
    if (unit.type.isTypeOf) this.#object(value, { ...position, kind: 'object', type: unit.type, unit }, box, key, at);
    else put(box, key, unit.make(value, this, this.#link(position, box, key, at)));
  }

  /** As `defaultTypeResolver`. */
  #byDefault(value: unknown, type: GraphQLAbstractType, info: GraphQLResolveInfo): unknown {
    const own = (value as { __typename?: unknown }).__typename;
    if (typeof own === 'string') return own;
    const waiting: Promise<string | undefined>[] = [];
    for (const one of this.#operation.schema.getPossibleTypes(type)) {
      const is = one.isTypeOf?.(value, this.context, info);
      if (is === true) return one.name;
      if (isThenable(is)) waiting.push(Promise.resolve(is).then((yes) => (yes ? one.name : undefined)));
    }
    return waiting.length === 0
      ? undefined
      : Promise.all(waiting).then((names) => names.find((one) => one !== undefined));
  }

  #runtimeType(name: unknown, type: GraphQLAbstractType, field: FieldPlan, value: unknown): GraphQLObjectType {
    const { schema } = this.#operation;
    const where = `for field "${field.parent.name}.${field.name}"`;
    if (name === null || name === undefined)
      throw new GraphQLError(
        `Abstract type "${type.name}" must resolve to an Object type at runtime ${where}. Either the "${type.name}" type should provide a "resolveType" function or each possible type should provide an "isTypeOf" function.`,
      );
    if (typeof name !== 'string')
      throw new GraphQLError(
        `Abstract type "${type.name}" must resolve to an Object type at runtime ${where} with value ${String(value)}, received "${String(name)}".`,
      );
    const own = schema.getType(name);
    if (!own)
      throw new GraphQLError(
        `Abstract type "${type.name}" was resolved to a type "${name}" that does not exist inside the schema.`,
      );
    if (!isObjectType(own))
      throw new GraphQLError(`Abstract type "${type.name}" was resolved to a non-object type "${name}".`);
    if (!schema.isSubType(type, own))
      throw new GraphQLError(`Runtime Object type "${name}" is not a possible type for "${type.name}".`);
    return own;
  }

  #link(position: Position, box: Box, key: string | number, at: Link | undefined): Link | undefined {
    if (!position.field.informs) return undefined;
    return { prev: at, key, typename: Array.isArray(box) ? undefined : position.field.parent.name };
  }

  /** `info` tells the place of the field, from the place of the object that has it. */
  #parent(box: Box, at: Link | undefined): Link | undefined {
    let link = at;
    // In lists, `at` is the place of the innermost list: of the field itself or of an item in it.
    if (Array.isArray(box)) {
      while (link && typeof link.key === 'number') link = link.prev;
      link = link?.prev;
    }
    return link;
  }
}
