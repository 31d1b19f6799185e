/** A page of docs/, split into parts that tests compare with the code. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';

const ROOT = join(import.meta.dirname, '..');

export class DocsPage {
  readonly text: string;
  /** Fenced code blocks with their language. */
  readonly codeBlocks: readonly { readonly kind: string; readonly text: string }[];
  /** The page without code blocks. */
  readonly prose: string;
  /** Inline code of the prose. */
  readonly inlineCode: readonly string[];

  constructor(name: string) {
    this.text = readFileSync(join(ROOT, 'docs', `${name}.md`), 'utf8');
    this.codeBlocks = [...this.text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map(([, kind = '', text = '']) => ({
      kind,
      text,
    }));
    this.prose = this.text.replace(/^```[\s\S]*?^```/gm, '');
    this.inlineCode = quoted(this.prose);
  }

  /** Body rows of the table whose first column has that heading. */
  table(heading: string): string[][] {
    const [, rows = ''] = this.text.split(`| ${heading} |`);
    return (rows.split('\n\n')[0] ?? '')
      .split('\n')
      .slice(2)
      .map((row) =>
        row
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
  }

  /** Errors in the commands of the page: unknown commands, arguments and options. */
  commandErrors(program: Command): string[] {
    const shell = this.codeBlocks
      .filter((codeBlock) => codeBlock.kind === 'sh')
      .flatMap((codeBlock) => codeBlock.text.split('\n'));
    const lines = [...shell, ...this.inlineCode].flatMap(
      (line) => /^(?:[A-Z_]+=\S+ )*(?:npx (?:--no-install )?)?isthmus ([^\\]*)$/.exec(line)?.[1] ?? [],
    );
    return lines.flatMap((line) => {
      let command: Command = program;
      const words = line.split(/\s+/);
      for (let next = words[0]; ; next = words[0]) {
        const found = command.commands.find((command) => command.name() === next);
        if (!found) break;
        command = found;
        words.shift();
      }
      if (command === program) return [`isthmus ${line}: there is no such command`];
      const { operands, unknown } = command.parseOptions(words);
      const maxArguments = command.registeredArguments.length;
      const minArguments = command.registeredArguments.filter(
        (registeredArgument) => registeredArgument.required,
      ).length;
      // Prose may name a command without its arguments.
      const few = shell.some((one) => one.endsWith(`isthmus ${line}`)) && operands.length < minArguments;
      return unknown.length > 0 || operands.length > maxArguments || few
        ? [`isthmus ${line}: ${unknown.join(' ')}`]
        : [];
    });
  }

  /** Files and npm scripts that the page names but that do not exist. */
  missingFiles(): string[] {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const shell = this.codeBlocks
      .filter((codeBlock) => codeBlock.kind === 'sh')
      .flatMap((codeBlock) => codeBlock.text.split('\n'));
    const links = [...this.prose.matchAll(/\]\(([\w/.-]+)\)/g)].map((match) => join('docs', match[1] as string));
    return [
      ...[...this.inlineCode, ...links].filter(
        (one) =>
          /^(gateway|tests|docs|connectors|schema|migrations)\/[\w/.-]+$/.test(one) && !existsSync(join(ROOT, one)),
      ),
      ...[...this.inlineCode, ...shell]
        .flatMap((one) => /npm run (\S+)/.exec(one)?.[1] ?? [])
        .filter((name) => !scripts[name]),
    ];
  }

  /** Paragraphs and tables with measured figures but without date, commit or command; a table may have these in the paragraph before it. */
  incompleteFigures(): string[] {
    const parts = this.prose.split(/\n{2,}/).filter((one) => !one.startsWith('#'));
    const carries = [/\b20\d\d-\d\d-\d\d\b/, /`[0-9a-f]{7}`/, /`([A-Z_]+=\S+ )?(npm run|npx) \S+[^`]*`/];
    const complete = (one = '') => carries.every((mark) => mark.test(one));
    return parts.filter((part, i) => {
      if (!part.startsWith('|')) return FIGURE.test(part.replace(/`[^`]*`/g, '')) && !complete(part);
      return FIGURES.test(part.split('\n')[0] ?? '') && !complete(parts[i - 1]);
    });
  }
}

/** A measured value: milliseconds, memory or a ratio. */
const FIGURE = /\d (ms|MiB|MB)\b|\d\.\d+ times/;
/** Column headings of a table of measurements. */
const FIGURES = /\b(ms|seconds|p50|p99|MiB|MB|CPU|a second)\b/;

/** The texts between backticks. */
export const quoted = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string);
