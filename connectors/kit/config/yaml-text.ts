/** Reads isthmus.yaml as YAML: substitutes ${NAME} from the environment and collects errors with their line. */
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml';

/** The file is invalid. The message lists every error with its line. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly errors: readonly string[];
  constructor(file: string, faults: readonly string[]) {
    const heading = `${file} has ${faults.length === 1 ? '1 error' : `${faults.length} errors`}:`;
    super([heading, ...faults.map((error) => `  - ${error}`)].join('\n'));
    this.errors = faults;
  }
}

interface Entry {
  readonly key: Node;
  readonly value: Node | null;
}

/** The entries of a mapping by key. */
export const entriesOf = (node: YAMLMap): Map<string, Entry> =>
  new Map(
    node.items.map((pair) => [
      String((pair.key as Node).toJSON()),
      { key: pair.key as Node, value: pair.value as Node | null },
    ]),
  );

export class ConfigText {
  /** The top-level mapping. */
  readonly root: YAMLMap;
  readonly #file: string;
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #lines = new LineCounter();
  readonly #errors: { line: number; text: string }[] = [];
  /** Nodes with a variable that is not set: their value is not checked, so that there is one error only. */
  readonly #unfilled = new Set<unknown>();

  /** Throws `ConfigError` if the text is not YAML or not a mapping. */
  constructor(text: string, file: string, environment: Readonly<Record<string, string | undefined>>) {
    this.#file = file;
    this.#environment = environment;
    const document = parseDocument(text, { lineCounter: this.#lines, keepSourceTokens: false });
    for (const error of document.errors) {
      const line = error.linePos?.[0].line ?? 1;
      this.#errors.push({ line, text: `invalid YAML: ${error.message.split('\n')[0]}` });
    }
    this.throwIfInvalid();
    const root: unknown = document.contents;
    if (!isMap(root)) {
      this.addError(
        document.contents,
        'the file must be a mapping with parks and installations; see isthmus.example.yaml',
      );
      throw this.#error();
    }
    this.root = root;
  }

  /** Records an error at the node's line. Reading continues, so that all errors are reported together. */
  addError(node: Node | null | undefined, message: string): void {
    const line = node?.range ? this.#lines.linePos(node.range[0]).line : 1;
    this.#errors.push({ line, text: message });
  }

  /** Throws `ConfigError` if there are errors so far, sorted by line. */
  throwIfInvalid(): void {
    if (this.#errors.length > 0) throw this.#error();
  }

  #error(): ConfigError {
    const sorted = [...this.#errors].sort((a, b) => a.line - b.line);
    return new ConfigError(
      this.#file,
      sorted.map(({ line, text }) => `line ${line}: ${text}`),
    );
  }

  /** A top-level section; undefined when absent. */
  section(name: string): Node | undefined {
    return this.root.get(name, true) as Node | undefined;
  }

  /** The items of a section that is a list; empty when absent, or after an error when it is not a list. */
  list(name: string): Node[] {
    const node = this.section(name);
    if (node === undefined || (isScalar(node) && node.value === null)) return [];
    if (isSeq(node)) return node.items as Node[];
    this.addError(node, `${name} must be a list; example: ${name}: [ { id: lakeside, ... } ]`);
    return [];
  }

  /** The node as plain data, with ${NAME} and ${NAME:-default} substituted. */
  toPlain(node: Node | null | undefined): unknown {
    if (isMap(node)) {
      return Object.fromEntries(
        node.items.map((pair) => [String((pair.key as Node).toJSON()), this.toPlain(pair.value as Node)]),
      );
    }
    if (isSeq(node)) return node.items.map((item) => this.toPlain(item as Node));
    if (!isScalar(node)) return null;
    if (typeof node.value !== 'string') return node.value;
    return node.value.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g, (_, name: string, fallback?: string) => {
      const value = this.#environment[name] || fallback;
      if (value !== undefined) return value;
      this.#unfilled.add(node);
      this.addError(
        node,
        `environment variable ${name} is not set; set it where the hub is started, or give a default: \${${name}:-...}`,
      );
      return `\${${name}}`;
    });
  }

  /** Whether the node contains a variable that is not set. */
  hasMissingVariable(node: Node | null | undefined): boolean {
    return this.#unfilled.has(node);
  }
}
