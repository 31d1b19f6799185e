/**
 * The short way to the answer: code generated from the shape of the operation that writes the data's JSON in one pass, without
 * an object in between. It gives up (null) at the first thing that is not as the graph promises; `writer.ts` then says what
 * the answer is. So both must agree only on sound data, and every fault has one author.
 */
import { type GraphQLLeafType, isEnumType, isObjectType } from 'graphql';
import type { Composite } from '../plan/normalized-selection.ts';
import type { Tree } from '../response-data.ts';
import type { FieldShape, Selection, ValueShape } from './response-shape.ts';

/** The JSON of `data` as the operation asks for it; null when anything in it is out of the ordinary. */
export type TextWriter = (data: Tree) => string | null;

/** Thrown by generated code; not an error, so that it costs no stack. */
const UNUSUAL = Symbol('unusual');

const unusual = (): never => {
  throw UNUSUAL;
};

/** Anything that JSON may have to escape. */
const ESCAPED = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

/** A string's JSON. */
export function quoted(text: string): string {
  const { length } = text;
  if (length > 48) return ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code < 32 || code === 34 || code === 92 || (code >= 0xd800 && code <= 0xdfff)) return JSON.stringify(text);
  }
  return `"${text}"`;
}

type Part = (value: never) => string;

/** Builds the writer of an operation; object types of abstract positions are compiled when first met. */
export function textWriter(shape: Selection, root: Composite): TextWriter {
  const write = compileObject(shape, root);
  return (data) => {
    try {
      return write(data);
    } catch (error) {
      if (error === UNUSUAL) return null;
      throw error;
    }
  };
}

function compileObject(selection: Selection, type: Composite): (object: Tree) => string {
  return new Code().compile(selection, type);
}

/** One function of generated code with the functions that it calls. */
class Code {
  readonly #lent: unknown[] = [];
  readonly #functions: string[] = [];
  #names = 0;

  compile(selection: Selection, type: Composite): (object: Tree) => string {
    const name = this.#object(selection, type);
    const lent = this.#lent.map((_, i) => `L${i}`).join(',');
    const make = new Function(
      'quoted',
      'unusual',
      'L',
      `'use strict';const [${lent}]=L;${this.#functions.join('')}return ${name};`,
    );
    return make(quoted, unusual, this.#lent) as (object: Tree) => string;
  }

  #lend(value: unknown): string {
    return `L${this.#lent.push(value) - 1}`;
  }

  #object(selection: Selection, type: Composite): string {
    const name = `o${this.#names++}`;
    let body = '';
    // Text that is the same for every object is joined while the code is made.
    let fixed = '{';
    let first = true;
    for (const field of selection.fields(type)) {
      fixed += `${first ? '' : ','}${JSON.stringify(field.key)}:`;
      first = false;
      if (isFixed(field, type)) {
        fixed += JSON.stringify(type.name);
        continue;
      }
      if (field.value === null || field.refusal) {
        body = 'unusual();';
        break;
      }
      body += `r+=${JSON.stringify(fixed)};v=o[${JSON.stringify(field.from)}];${this.#value('v', field.value)}`;
      fixed = '';
    }
    this.#functions.push(`function ${name}(o){let r='',v;${body}return r+${JSON.stringify(`${fixed}}`)};}\n`);
    return name;
  }

  /** Statements that add the value's text to `r`. */
  #value(value: string, shape: ValueShape): string {
    const none = shape.nonNull ? 'unusual();' : "r+='null';";
    if (shape.kind === 'leaf') return this.#leaf(value, shape.type, shape.write, none);
    if (shape.kind === 'list') {
      const n = this.#names++;
      const item = this.#value(`e${n}`, shape.of);
      return `if(${value}===null||${value}===undefined){${none}}else{if(!Array.isArray(${value}))unusual();r+='[';const a${n}=${value};for(let i${n}=0;i${n}<a${n}.length;i${n}++){if(i${n}!==0)r+=',';const e${n}=a${n}[i${n}];${item}}r+=']';}`;
    }
    const call = isObjectType(shape.type)
      ? this.#object(shape.selection, shape.type)
      : this.#lend(dispatcher(shape.selection, shape.type));
    return `if(${value}===null||${value}===undefined){${none}}else{if(typeof ${value}!=='object'||Array.isArray(${value}))unusual();r+=${call}(${value});}`;
  }

  #leaf(value: string, type: GraphQLLeafType, write: (value: unknown) => unknown, none: string): string {
    const other = `{if(${value}===null||${value}===undefined){${none}}else r+=${this.#lend(leafText(write))}(${value});}`;
    if (isEnumType(type)) {
      const names = this.#lend(new Map(type.getValues().map((one) => [one.name, JSON.stringify(one.name)])));
      const n = this.#names++;
      return `const t${n}=${names}.get(${value});if(t${n}!==undefined)r+=t${n};else ${other}`;
    }
    switch (type.name) {
      case 'Int':
        return `if(typeof ${value}==='number'&&(${value}|0)===${value})r+=${value};else ${other}`;
      case 'Float':
        return `if(typeof ${value}==='number'&&Number.isFinite(${value}))r+=${value};else ${other}`;
      case 'Boolean':
        return `if(${value}===true)r+='true';else if(${value}===false)r+='false';else ${other}`;
      // Custom scalars are mostly strings, and any string stands for itself.
      default:
        return `if(typeof ${value}==='string')r+=quoted(${value});else ${other}`;
    }
  }
}

/** `__typename` of an object whose type is known. */
const isFixed = (field: FieldShape, type: Composite): boolean => field.name === '__typename' && isObjectType(type);

const leafText =
  (write: (value: unknown) => unknown): Part =>
  (value) => {
    const written = write(value);
    const text = written === undefined || written === null ? undefined : JSON.stringify(written);
    return text ?? unusual();
  };

/** Writes an object of an abstract position by its own type. */
function dispatcher(selection: Selection, declared: Composite): (object: Tree) => string {
  const known = new Map<Composite, (object: Tree) => string>();
  return (object) => {
    const type = selection.typeOf(object, declared);
    if (!type) return unusual();
    let write = known.get(type);
    if (!write) {
      write = compileObject(selection, type);
      known.set(type, write);
    }
    return write(object);
  };
}
