/** One execution of an in-process operation: its pending promises, its failures, and the values that generated code cannot complete. */
import { GraphQLError, type GraphQLResolveInfo } from 'graphql';
import type { DataObject } from '../response-data.ts';
import { defaultTypeName, runtimeTypeNamed } from './abstract-types.ts';
import { argumentsFor } from './field-arguments.ts';
import { serializeLeaf } from './leaf-values.ts';
import { type Container, parentPathOf, pathTo } from './response-paths.ts';
import {
  type FieldPlan,
  isThenable,
  type ObjectPlan,
  planObject,
  type ResponsePath,
  type TypedOperation,
  typeResolverTakesInfo,
  type ValuePosition,
} from './typed-operation.ts';

/** A failed field or list item, at `key` of `container`. */
export interface FieldFailure {
  readonly error: unknown;
  readonly position: ValuePosition;
  readonly container: Container;
  readonly key: string | number;
}

type GenerateCode = (operation: TypedOperation, plan: ObjectPlan) => void;

const setValue = (container: Container, key: string | number, value: unknown): void => {
  (container as Record<string | number, unknown>)[key] = value;
};

/** Passed to generated code, which calls its public members by name. `at` is always the path of the container. */
export class ExecutionFrame {
  readonly variables: Readonly<Record<string, unknown>>;
  readonly context: unknown;
  readonly failures: FieldFailure[] = [];
  readonly #operation: TypedOperation;
  readonly #generateCode: GenerateCode;
  #pendingCount = 0;
  #onSettled: (() => void) | null = null;

  constructor(
    operation: TypedOperation,
    variables: Readonly<Record<string, unknown>>,
    context: unknown,
    generateCode: GenerateCode,
  ) {
    this.#operation = operation;
    this.variables = variables;
    this.context = context;
    this.#generateCode = generateCode;
  }

  /** Resolves when no promise is pending; null if none is. */
  whenSettled(): Promise<void> | null {
    if (this.#pendingCount === 0) return null;
    return new Promise((resolve) => {
      this.#onSettled = resolve;
    });
  }

  /** Records a failure and sets the value to null. */
  fail(error: unknown, position: ValuePosition, container: Container, key: string | number): void {
    this.failures.push({ error, position, container, key });
    setValue(container, key, null);
  }

  /** The `info` of a field's resolver. */
  resolveInfo(field: FieldPlan, at: ResponsePath | undefined): GraphQLResolveInfo {
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

  /** Completes the value of a property of `source`, which is called if it is a function. */
  completeProperty(
    value: unknown,
    field: FieldPlan,
    source: unknown,
    container: DataObject,
    at: ResponsePath | undefined,
  ): void {
    const result =
      typeof value === 'function'
        ? (source as Record<string, (...args: unknown[]) => unknown>)[field.name]?.(
            argumentsFor(field, this.variables),
            this.context,
            this.resolveInfo(field, at),
          )
        : value;
    this.complete(result, field.position, container, field.key, at);
  }

  /** Completes any value, also a promise. */
  complete(
    value: unknown,
    position: ValuePosition,
    container: Container,
    key: string | number,
    at: ResponsePath | undefined,
  ): void {
    if (isThenable(value)) {
      setValue(container, key, null);
      this.#waitFor(
        value,
        (result) => this.#completeValue(result, position, container, key, at),
        position,
        container,
        key,
      );
      return;
    }
    try {
      this.#completeValue(value, position, container, key, at);
    } catch (error) {
      this.fail(error, position, container, key);
    }
  }

  #waitFor(
    value: PromiseLike<unknown>,
    then: (result: unknown) => void,
    position: ValuePosition,
    container: Container,
    key: string | number,
  ) {
    this.#pendingCount++;
    value.then(
      (result) => {
        try {
          then(result);
        } catch (error) {
          this.fail(error, position, container, key);
        }
        this.#settleOne();
      },
      (error: unknown) => {
        this.fail(error, position, container, key);
        this.#settleOne();
      },
    );
  }

  #settleOne(): void {
    this.#pendingCount--;
    if (this.#pendingCount === 0) this.#onSettled?.();
  }

  #completeValue(
    value: unknown,
    position: ValuePosition,
    container: Container,
    key: string | number,
    at: ResponsePath | undefined,
  ): void {
    if (value instanceof Error) throw value;
    if (value === null || value === undefined) {
      setValue(container, key, null);
      const { parent, name } = position.field;
      if (position.nonNull) throw new Error(`Cannot return null for non-nullable field ${parent.name}.${name}.`);
      return;
    }
    switch (position.kind) {
      case 'leaf':
        setValue(container, key, serializeLeaf(value, position.type));
        break;
      case 'list':
        this.#list(value, position, container, key, at);
        break;
      case 'object':
        this.#completeObject(value, position, container, key, at);
        break;
      case 'abstract':
        this.#completeByType(value, position, container, key, at);
        break;
    }
  }

  #list(
    value: unknown,
    position: ValuePosition & { kind: 'list' },
    container: Container,
    key: string | number,
    at: ResponsePath | undefined,
  ) {
    const iterable = typeof value === 'object' && value !== null && Symbol.iterator in value;
    if (!iterable) {
      const { parent, name } = position.field;
      throw new GraphQLError(`Expected Iterable, but did not find one for field "${parent.name}.${name}".`);
    }
    const items: unknown[] = [];
    setValue(container, key, items);
    const listPath = pathTo(position, container, key, at);
    let index = 0;
    for (const item of value as Iterable<unknown>) {
      items.push(null);
      this.complete(item, position.of, items, index, listPath);
      index++;
    }
  }

  #completeObject(
    value: unknown,
    position: ValuePosition & { kind: 'object' },
    container: Container,
    key: string | number,
    at: ResponsePath | undefined,
  ) {
    const { type, unit } = position;
    if (!type.isTypeOf) {
      setValue(container, key, unit.build(value, this, pathTo(position, container, key, at)));
      return;
    }
    const isType = type.isTypeOf(value, this.context, this.resolveInfo(position.field, parentPathOf(container, at)));
    const settle = (isOfType: unknown): void => {
      if (!isOfType) throw new GraphQLError(`Expected value of type "${type.name}" but got: ${String(value)}.`);
      setValue(container, key, unit.build(value, this, pathTo(position, container, key, at)));
    };
    if (isThenable(isType)) {
      setValue(container, key, null);
      this.#waitFor(isType, settle, position, container, key);
    } else settle(isType);
  }

  #completeByType(
    value: unknown,
    position: ValuePosition & { kind: 'abstract' },
    container: Container,
    key: string | number,
    at: ResponsePath | undefined,
  ) {
    const { type } = position;
    // Most type resolvers read only the value.
    const info =
      type.resolveType && !typeResolverTakesInfo(type.resolveType)
        ? (undefined as never)
        : this.resolveInfo(position.field, parentPathOf(container, at));
    const name = type.resolveType
      ? type.resolveType(value, this.context, info, type)
      : defaultTypeName(value, type, this.#operation.schema, this.context, info);
    this.completeAbstract(name, value, position, container, key, at);
  }

  /** Completes a value of an abstract type whose resolver returned `name`, or a promise of it. */
  completeAbstract(
    name: unknown,
    value: unknown,
    position: ValuePosition & { kind: 'abstract' },
    container: Container,
    key: string | number,
    at: ResponsePath | undefined,
  ): void {
    if (isThenable(name)) {
      setValue(container, key, null);
      this.#waitFor(
        name,
        (resolved) => this.#completeTyped(resolved, value, position, container, key, at),
        position,
        container,
        key,
      );
    } else this.#completeTyped(name, value, position, container, key, at);
  }

  /** Completes a value of an abstract type by its type's name. */
  #completeTyped(
    name: unknown,
    value: unknown,
    position: ValuePosition & { kind: 'abstract' },
    container: Container,
    key: string | number,
    at: ResponsePath | undefined,
  ): void {
    let unit = position.units.get(name as string);
    if (!unit) {
      const objectType = runtimeTypeNamed(name, position, value, this.#operation.schema);
      unit = planObject(this.#operation, objectType, position.sets);
      this.#generateCode(this.#operation, unit);
      position.units.set(objectType.name, unit);
    }
    if (unit.type.isTypeOf)
      this.#completeObject(value, { ...position, kind: 'object', type: unit.type, unit }, container, key, at);
    else setValue(container, key, unit.build(value, this, pathTo(position, container, key, at)));
  }
}
