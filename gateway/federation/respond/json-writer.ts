/**
 * Writes a response without errors as JSON, in one pass, with code generated from the operation's shape. Stops (null) at the first value that
 * does not match the schema; `response-writer.ts` then writes the response. So both must agree on valid data only, and each error is reported
 * by one of them.
 */
import { type GraphQLLeafType, isEnumType, isObjectType } from 'graphql';
import type { CompositeType } from '../document-nodes.ts';
import type { DataObject } from '../response-data.ts';
import type { FieldShape, SelectionShape, ValueShape } from './response-shape.ts';

/** Returns the JSON of the response; null if a value does not match the schema, or a field is denied or an introspection field. */
export type JsonWriter = (data: DataObject) => string | null;

/** Thrown by generated code; not an `Error`, which would capture a stack. */
const NOT_WRITABLE = Symbol('not writable');

const stopWriting = (): never => {
  throw NOT_WRITABLE;
};

/** Characters that JSON may have to escape. */
const ESCAPED = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

/** The JSON of a string. */
export const quoteString = (text: string): string => (isUnchanged(text) ? `"${text}"` : JSON.stringify(text));

/** The JSON of a string without its quotes. */
const escapeString = (text: string): string => (isUnchanged(text) ? text : JSON.stringify(text).slice(1, -1));

/** Whether JSON writes the string as it is, between quotes. */
function isUnchanged(text: string): boolean {
  const { length } = text;
  if (length > 48) return !ESCAPED.test(text);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code < 32 || code === 34 || code === 92 || (code >= 0xd800 && code <= 0xdfff)) return false;
  }
  return true;
}

type WriteValue = (value: never) => string;

/** Compiles the writer of an operation. Object types at abstract positions are compiled when they first occur. */
export function compileJsonWriter(shape: SelectionShape, root: CompositeType): JsonWriter {
  const write = compileObject(shape, root);
  return (data) => {
    try {
      return write(data);
    } catch (error) {
      if (error === NOT_WRITABLE) return null;
      throw error;
    }
  };
}

function compileObject(selection: SelectionShape, type: CompositeType): (object: DataObject) => string {
  return new CodeGenerator().compile(selection, type);
}

/** Generates one function and the functions that it calls. */
class CodeGenerator {
  readonly #constants: unknown[] = [];
  readonly #functions: string[] = [];
  #nameCount = 0;

  compile(selection: SelectionShape, type: CompositeType): (object: DataObject) => string {
    const name = this.#objectFunction(selection, type);
    const constants = this.#constants.map((_, i) => `L${i}`).join(',');
    const make = new Function(
      'quoteString',
      'escapeString',
      'stopWriting',
      'L',
      `'use strict';const [${constants}]=L;${this.#functions.join('')}return ${name};`,
    );
    return make(quoteString, escapeString, stopWriting, this.#constants) as (object: DataObject) => string;
  }

  /** The name of a value in the generated code. */
  #constant(value: unknown): string {
    return `L${this.#constants.push(value) - 1}`;
  }

  /** Generates the function that writes objects of a type, and returns its name. */
  #objectFunction(selection: SelectionShape, type: CompositeType): string {
    const name = `o${this.#nameCount++}`;
    let body = '';
    // Text that is equal for all objects is concatenated when the code is generated.
    let constantText = '{';
    let isFirst = true;
    for (const field of selection.fields(type)) {
      constantText += `${isFirst ? '' : ','}${JSON.stringify(field.responseKey)}:`;
      isFirst = false;
      if (isConstantTypename(field, type)) {
        constantText += JSON.stringify(type.name);
        continue;
      }
      if (field.value === null || field.accessError) {
        body = 'stopWriting();';
        break;
      }
      const read = `v=o[${JSON.stringify(field.dataKey)}];`;
      const textCode = this.#textCode('v', field.value);
      // The quotes around a text belong to the constant text before and after it, which saves two concatenations.
      if (textCode) constantText += '"';
      body += `r+=${JSON.stringify(constantText)};${read}${textCode ?? this.#valueCode('v', field.value)}`;
      constantText = textCode ? '"' : '';
    }
    this.#functions.push(`function ${name}(o){let r='',v;${body}return r+${JSON.stringify(`${constantText}}`)};}\n`);
    return name;
  }

  /** Code that appends the JSON of a value without its quotes; null if the value may be null or may be no JSON string. */
  #textCode(value: string, shape: ValueShape): string | null {
    if (shape.kind !== 'leaf' || !shape.nonNull) return null;
    const { type, serialize } = shape;
    const isEnum = isEnumType(type);
    if (!isEnum && type.name !== 'String' && type.name !== 'ID') return null;
    const write = this.#constant(leafWriter(serialize));
    const other = `{if(${value}===null||${value}===undefined)stopWriting();r+=${write}(${value}).slice(1,-1);}`;
    if (!isEnum) return `if(typeof ${value}==='string')r+=escapeString(${value});else ${other}`;
    const names = this.#constant(new Set(type.getValues().map(({ name }) => name)));
    return `if(${names}.has(${value}))r+=${value};else ${other}`;
  }

  /** Code that appends the value's JSON to `r`. */
  #valueCode(value: string, shape: ValueShape): string {
    const nullCase = shape.nonNull ? 'stopWriting();' : "r+='null';";
    if (shape.kind === 'leaf') return this.#leafCode(value, shape.type, shape.serialize, nullCase);
    if (shape.kind === 'list') {
      const id = this.#nameCount++;
      const item = this.#valueCode(`e${id}`, shape.item);
      return `if(${value}===null||${value}===undefined){${nullCase}}else{if(!Array.isArray(${value}))stopWriting();r+='[';const a${id}=${value};for(let i${id}=0;i${id}<a${id}.length;i${id}++){if(i${id}!==0)r+=',';const e${id}=a${id}[i${id}];${item}}r+=']';}`;
    }
    const call = isObjectType(shape.type)
      ? this.#objectFunction(shape.selection, shape.type)
      : this.#constant(abstractWriter(shape.selection, shape.type));
    return `if(${value}===null||${value}===undefined){${nullCase}}else{if(typeof ${value}!=='object'||Array.isArray(${value}))stopWriting();r+=${call}(${value});}`;
  }

  #leafCode(value: string, type: GraphQLLeafType, serialize: (value: unknown) => unknown, nullCase: string): string {
    const other = `{if(${value}===null||${value}===undefined){${nullCase}}else r+=${this.#constant(leafWriter(serialize))}(${value});}`;
    if (isEnumType(type)) {
      const names = this.#constant(new Map(type.getValues().map((value) => [value.name, JSON.stringify(value.name)])));
      const id = this.#nameCount++;
      return `const t${id}=${names}.get(${value});if(t${id}!==undefined)r+=t${id};else ${other}`;
    }
    switch (type.name) {
      case 'Int':
        return `if(typeof ${value}==='number'&&(${value}|0)===${value})r+=${value};else ${other}`;
      case 'Float':
        return `if(typeof ${value}==='number'&&Number.isFinite(${value}))r+=${value};else ${other}`;
      case 'Boolean':
        return `if(${value}===true)r+='true';else if(${value}===false)r+='false';else ${other}`;
      // Custom scalars are mostly strings, which are written unchanged.
      default:
        return `if(typeof ${value}==='string')r+=quoteString(${value});else ${other}`;
    }
  }
}

/** Whether the field is `__typename` of a known object type. */
const isConstantTypename = (field: FieldShape, type: CompositeType): boolean =>
  field.name === '__typename' && isObjectType(type);

/** Writes a leaf value that is not of the expected JavaScript type. */
const leafWriter =
  (serialize: (value: unknown) => unknown): WriteValue =>
  (value) => {
    const serialized = serialize(value);
    const json = serialized === undefined || serialized === null ? undefined : JSON.stringify(serialized);
    return json ?? stopWriting();
  };

/** Writes objects at an abstract position by their object type. */
function abstractWriter(selection: SelectionShape, declared: CompositeType): (object: DataObject) => string {
  const known = new Map<CompositeType, (object: DataObject) => string>();
  return (object) => {
    const type = selection.typeOf(object, declared);
    if (!type) return stopWriting();
    let write = known.get(type);
    if (!write) {
      write = compileObject(selection, type);
      known.set(type, write);
    }
    return write(object);
  };
}
