/** One run of a fused operation: what it waits for, what failed, and the ways that generated code leaves to others. */
import { GraphQLError, type GraphQLResolveInfo } from 'graphql';
import type { Tree } from '../response-data.ts';
import { runtimeType, typeByDefault } from './abstract-types.ts';
import { argumentsFor } from './field-arguments.ts';
import { serialized } from './leaf-values.ts';
import { type Box, linkOf, parentOf } from './response-paths.ts';
import {
  type FieldPlan,
  isThenable,
  type Link,
  type Operation,
  type Position,
  typeDeclaresInfo,
  type Unit,
  unitOf,
} from './typed-operation.ts';

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
            argumentsFor(field, this.variables),
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
    const link = linkOf(position, box, key, at);
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
      put(box, key, unit.make(value, this, linkOf(position, box, key, at)));
      return;
    }
    const fits = type.isTypeOf(value, this.context, this.info(position.field, parentOf(box, at)));
    const settle = (is: unknown): void => {
      if (!is) throw new GraphQLError(`Expected value of type "${type.name}" but got: ${String(value)}.`);
      put(box, key, unit.make(value, this, linkOf(position, box, key, at)));
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
        : this.info(position.field, parentOf(box, at));
    const name = type.resolveType
      ? type.resolveType(value, this.context, info, type)
      : typeByDefault(value, type, this.#operation.schema, this.context, info);
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
      const own = runtimeType(name, position, value, this.#operation.schema);
      unit = unitOf(this.#operation, own, position.sets);
      this.#generate(this.#operation, unit);
      position.units.set(own.name, unit);
    }
    if (unit.type.isTypeOf) this.#object(value, { ...position, kind: 'object', type: unit.type, unit }, box, key, at);
    else put(box, key, unit.make(value, this, linkOf(position, box, key, at)));
  }
}
