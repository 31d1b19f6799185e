/**
 * Parses SAF-T XML as a stream, decoded in chunks by its declared encoding. The result has the texts of the file by path, with their
 * lines; it is not validated.
 */
import iconv from 'iconv-lite';
import { SaxesParser } from 'saxes';
import type { Fault, Reason } from '../../model.ts';
import { addDecimals, type Decimal, parseDecimal, ZERO } from '../decimal.ts';
import { KINDS, type Kind, MASTERS, type Master, NAMESPACE } from './required-elements.ts';

/** A document of the file. */
export interface Document {
  readonly kind: Kind;
  readonly line: number;
  /** First text of each path below the document, without invoice lines; an element with children has ''. */
  readonly fields: Map<string, string>;
  readonly products: { readonly text: string; readonly line: number }[];
  readonly references: { readonly text: string; readonly line: number }[];
  debit: Decimal;
  credit: Decimal;
}

export interface MasterRecord {
  readonly line: number;
  readonly fields: Map<string, string>;
}

export interface SaftFile {
  /** By path below the header; '' holds the line of the header element. */
  readonly header: Map<string, string>;
  readonly masters: Readonly<Record<Master, MasterRecord[]>>;
  /** NumberOfEntries, TotalDebit and TotalCredit of each present section. */
  readonly sections: Map<string, { readonly line: number; readonly fields: Map<string, string> }>;
  readonly documents: Document[];
  /** Invalid amounts. */
  readonly faults: Fault[];
}

/** Stops the parser; the file is rejected with this reason. */
export class SaftError extends Error {
  readonly reason: Reason;
  readonly line: number;
  constructor(reason: Reason, line: number, detail: string) {
    super(detail);
    this.reason = reason;
    this.line = line;
  }
}

/** Bytes parsed before yielding. */
const CHUNK_SIZE = 256 * 1024;

/** The encoding by byte order mark or declaration; UTF-8 if there is neither. */
export function encodingOf(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  const start = bytes.subarray(0, 200).toString('latin1');
  const encoding = /^(?:ï»¿)?\s*<\?xml[^>]*\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']/.exec(start)?.[1] ?? 'utf-8';
  if (!iconv.encodingExists(encoding))
    throw new SaftError('ENCODING_UNKNOWN', 1, `The encoding ${encoding} is unknown.`);
  return encoding;
}

/** Parses the whole file and yields after each chunk. Throws `SaftFault` if it is not well-formed SAF-T PT 1.04. */
export function* parseSaft(bytes: Buffer): Generator<void, SaftFile> {
  const decoder = iconv.getDecoder(encodingOf(bytes));
  const reader = new Reader();
  for (let at = 0; at < bytes.length; at += CHUNK_SIZE) {
    reader.write(decoder.write(bytes.subarray(at, at + CHUNK_SIZE)));
    yield;
  }
  reader.write(decoder.end() ?? '');
  return reader.finish();
}

class Reader {
  readonly #parser = new SaxesParser();
  readonly #path: string[] = [];
  readonly #file: SaftFile = {
    ...{ header: new Map(), sections: new Map(), documents: [], faults: [] },
    masters: { Customer: [], Supplier: [], Product: [] },
  };
  #text = '';
  #document: Document | null = null;
  #master: MasterRecord | null = null;

  constructor() {
    const parser = this.#parser;
    parser.on('error', (error) => {
      throw new SaftError('NOT_WELL_FORMED', parser.line, error.message.replace(/^\d+:\d+: /, '').slice(0, 200));
    });
    parser.on('doctype', () => {
      throw new SaftError('NOT_WELL_FORMED', parser.line, 'A document type declaration is not allowed.');
    });
    parser.on('opentag', (tag) => this.#open(tag.name, tag.attributes as Record<string, string>));
    parser.on('text', (text) => {
      this.#text += text;
    });
    parser.on('cdata', (text) => {
      this.#text += text;
    });
    parser.on('closetag', () => this.#close());
  }

  write(text: string): void {
    if (text.includes('\uFFFD')) {
      const line = this.#parser.line + text.slice(0, text.indexOf('\uFFFD')).split('\n').length - 1;
      throw new SaftError('ENCODING_BROKEN', line, 'The bytes are not valid in the declared encoding.');
    }
    if (text !== '') this.#parser.write(text);
  }

  finish(): SaftFile {
    this.#parser.close();
    if (!this.#file.header.has('')) throw new SaftError('ELEMENT_MISSING', 1, 'The file has no Header.');
    return this.#file;
  }

  #open(name: string, attributes: Readonly<Record<string, string>>): void {
    const line = this.#parser.line;
    this.#path.push(name);
    this.#text = '';
    const [root, area, part, element] = this.#path;
    const depth = this.#path.length;
    if (depth === 1 && (name !== 'AuditFile' || attributes['xmlns'] !== NAMESPACE)) {
      throw new SaftError('LAYOUT_UNKNOWN', line, 'The file is not SAF-T PT 1.04.');
    }
    if (root !== 'AuditFile') return;
    if (depth === 2 && area === 'Header') this.#file.header.set('', String(line));
    if (depth === 3 && area === 'MasterFiles' && name in MASTERS) {
      this.#master = { line, fields: new Map() };
      this.#file.masters[name as Master].push(this.#master);
    }
    if (area !== 'SourceDocuments') return;
    if (depth === 3) this.#file.sections.set(name, { line, fields: new Map() });
    const kind =
      depth === 4 ? KINDS.find((candidate) => candidate.section === part && candidate.element === element) : undefined;
    if (kind) {
      this.#document = {
        ...{ kind, line, fields: new Map(), products: [], references: [], debit: ZERO, credit: ZERO },
      };
      this.#file.documents.push(this.#document);
    } else if (this.#document) this.#note(this.#path.slice(4), '');
  }

  #close(): void {
    const path = this.#path;
    const text = this.#text.trim();
    this.#text = '';
    const [, area, part] = path;
    if (area === 'Header' && path.length > 2) setOnce(this.#file.header, path.slice(2).join('/'), text);
    else if (this.#master && path.length > 3) setOnce(this.#master.fields, path.slice(3).join('/'), text);
    else if (this.#document && path.length > 4) this.#note(path.slice(4), text);
    else if (area === 'SourceDocuments' && path.length === 4) {
      const section = this.#file.sections.get(part ?? '');
      if (section) setOnce(section.fields, path[3] as string, text);
    }
    path.pop();
    if (path.length === 3) this.#document = null;
    if (path.length === 2) this.#master = null;
  }

  /** Stores a text of a document. Invoice lines are only summed, so that memory does not grow with their number. */
  #note(path: readonly string[], text: string): void {
    const document = this.#document as Document;
    const line = this.#parser.line;
    if (path[0] !== 'Line' || path.length === 1) {
      setOnce(document.fields, path.join('/'), text);
      return;
    }
    if (text === '') return;
    const leaf = path.slice(1).join('/');
    if (leaf === 'ProductCode') document.products.push({ text, line });
    else if (leaf === 'References/Reference') document.references.push({ text, line });
    else if (leaf === 'DebitAmount' || leaf === 'CreditAmount') {
      const amount = parseDecimal(text);
      if (!amount) this.#file.faults.push({ line, reason: 'VALUE_INVALID', detail: `${leaf} is not an amount.` });
      else if (leaf === 'DebitAmount') document.debit = addDecimals(document.debit, amount);
      else document.credit = addDecimals(document.credit, amount);
    }
  }
}

function setOnce(fields: Map<string, string>, name: string, text: string): void {
  if (!fields.get(name)) fields.set(name, text);
}
