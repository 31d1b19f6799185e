/** The text of isthmus.yaml as its readers take it: values with ${NAME} filled in, and every fault gathered with its line. */
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml';

/** The file cannot be used; the message names every fault. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly faults: readonly string[];
  constructor(file: string, faults: readonly string[]) {
    const head = `${file} has ${faults.length === 1 ? 'one fault' : `${faults.length} faults`}:`;
    super([head, ...faults.map((fault) => `  - ${fault}`)].join('\n'));
    this.faults = faults;
  }
}

/** A key of a mapping, and what stands behind it. */
interface Entry {
  readonly key: Node;
  readonly value: Node | null;
}

/** The entries of a mapping by name. */
export const entriesOf = (node: YAMLMap): Map<string, Entry> =>
  new Map(
    node.items.map((pair) => [
      String((pair.key as Node).toJSON()),
      { key: pair.key as Node, value: pair.value as Node | null },
    ]),
  );

export class ConfigText {
  /** The file's mapping. */
  readonly root: YAMLMap;
  readonly #file: string;
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #lines = new LineCounter();
  readonly #faults: { line: number; text: string }[] = [];
  /** Nodes that name something the environment lacks: told once, not a second time as a wrong value. */
  readonly #unfilled = new Set<unknown>();

  /** Throws `ConfigError` when the text is no YAML or no mapping. */
  constructor(text: string, file: string, environment: Readonly<Record<string, string | undefined>>) {
    this.#file = file;
    this.#environment = environment;
    const document = parseDocument(text, { lineCounter: this.#lines, keepSourceTokens: false });
    for (const error of document.errors) {
      const line = error.linePos?.[0].line ?? 1;
      this.#faults.push({ line, text: `is not YAML: ${error.message.split('\n')[0]}` });
    }
    this.finish();
    const root: unknown = document.contents;
    if (!isMap(root)) {
      this.fault(document.contents, 'must be a mapping with parks and installations; see isthmus.example.yaml');
      throw this.#error();
    }
    this.root = root;
  }

  /** Notes what is wrong at a node; reading goes on, so that all faults are told at once. */
  fault(node: Node | null | undefined, sentence: string): void {
    const line = node?.range ? this.#lines.linePos(node.range[0]).line : 1;
    this.#faults.push({ line, text: sentence });
  }

  /** Throws `ConfigError` with every fault so far, by line; nothing when there is none. */
  finish(): void {
    if (this.#faults.length > 0) throw this.#error();
  }

  #error(): ConfigError {
    const sorted = [...this.#faults].sort((a, b) => a.line - b.line);
    return new ConfigError(
      this.#file,
      sorted.map((one) => `line ${one.line}: ${one.text}`),
    );
  }

  /** A section of the file; undefined: the file does not have it. */
  section(name: string): Node | undefined {
    return this.root.get(name, true) as Node | undefined;
  }

  /** The items of a section that is a list; a fault when it is something else. */
  list(name: string): Node[] {
    const node = this.section(name);
    if (node === undefined || (isScalar(node) && node.value === null)) return [];
    if (isSeq(node)) return node.items as Node[];
    this.fault(node, `${name} must be a list; example: ${name}: [ { id: lakeside, ... } ]`);
    return [];
  }

  /** The plain value of a node with ${NAME} filled in. */
  plain(node: Node | null | undefined): unknown {
    if (isMap(node)) {
      return Object.fromEntries(
        node.items.map((pair) => [String((pair.key as Node).toJSON()), this.plain(pair.value as Node)]),
      );
    }
    if (isSeq(node)) return node.items.map((item) => this.plain(item as Node));
    if (!isScalar(node)) return null;
    if (typeof node.value !== 'string') return node.value;
    return node.value.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g, (_, name: string, fallback?: string) => {
      const value = this.#environment[name] || fallback;
      if (value !== undefined) return value;
      this.#unfilled.add(node);
      this.fault(
        node,
        `names \${${name}}, but the environment has no ${name}; example: ${name}=... in the shell that starts the hub`,
      );
      return `\${${name}}`;
    });
  }

  /** Whether the node names something the environment lacks. */
  isUnfilled(node: Node | null | undefined): boolean {
    return this.#unfilled.has(node);
  }
}
