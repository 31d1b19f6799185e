/** A page of docs, in parts that a test can hold against the code. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';

const ROOT = join(import.meta.dirname, '..');

export class DocsPage {
  readonly text: string;
  /** Blocks of code, by what they are written in. */
  readonly fences: readonly { readonly kind: string; readonly text: string }[];
  /** The page without them. */
  readonly prose: string;
  /** What stands between backticks in the prose. */
  readonly code: readonly string[];

  constructor(name: string) {
    this.text = readFileSync(join(ROOT, 'docs', `${name}.md`), 'utf8');
    this.fences = [...this.text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map(([, kind = '', text = '']) => ({
      kind,
      text,
    }));
    this.prose = this.text.replace(/^```[\s\S]*?^```/gm, '');
    this.code = quoted(this.prose);
  }

  /** Rows of the table with that first heading, without its head. */
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

  /** Faults of the commands that it names: unknown ones, arguments and options. */
  commandFaults(program: Command): string[] {
    const shell = this.fences.filter((one) => one.kind === 'sh').flatMap((one) => one.text.split('\n'));
    const lines = [...shell, ...this.code].flatMap(
      (line) => /^(?:[A-Z_]+=\S+ )*(?:npx (?:--no-install )?)?isthmus ([^\\]*)$/.exec(line)?.[1] ?? [],
    );
    return lines.flatMap((line) => {
      let command: Command = program;
      const words = line.split(/\s+/);
      for (let next = words[0]; ; next = words[0]) {
        const found = command.commands.find((one) => one.name() === next);
        if (!found) break;
        command = found;
        words.shift();
      }
      if (command === program) return [`isthmus ${line}: there is no such command`];
      const { operands, unknown } = command.parseOptions(words);
      const most = command.registeredArguments.length;
      const least = command.registeredArguments.filter((one) => one.required).length;
      // Prose may name a command without its arguments.
      const few = shell.some((one) => one.endsWith(`isthmus ${line}`)) && operands.length < least;
      return unknown.length > 0 || operands.length > most || few ? [`isthmus ${line}: ${unknown.join(' ')}`] : [];
    });
  }

  /** Files and npm scripts that it names and that are not there. */
  missing(): string[] {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const shell = this.fences.filter((one) => one.kind === 'sh').flatMap((one) => one.text.split('\n'));
    const links = [...this.prose.matchAll(/\]\(([\w/.-]+)\)/g)].map((match) => join('docs', match[1] as string));
    return [
      ...[...this.code, ...links].filter(
        (one) =>
          /^(gateway|tests|docs|connectors|schema|migrations)\/[\w/.-]+$/.test(one) && !existsSync(join(ROOT, one)),
      ),
      ...[...this.code, ...shell]
        .flatMap((one) => /npm run (\S+)/.exec(one)?.[1] ?? [])
        .filter((name) => !scripts[name]),
    ];
  }

  /** Paragraphs and tables with measured figures that lack the date, the commit or the command; a table may have them in front of it. */
  bareFigures(): string[] {
    const parts = this.prose.split(/\n{2,}/).filter((one) => !one.startsWith('#'));
    const carries = [/\b20\d\d-\d\d-\d\d\b/, /`[0-9a-f]{7}`/, /`([A-Z_]+=\S+ )?(npm run|npx) \S+[^`]*`/];
    const complete = (one = '') => carries.every((mark) => mark.test(one));
    return parts.filter((one, i) => {
      if (!one.startsWith('|')) return FIGURE.test(one.replace(/`[^`]*`/g, '')) && !complete(one);
      return FIGURES.test(one.split('\n')[0] ?? '') && !complete(parts[i - 1]);
    });
  }
}

/** Something that was measured: a time in milliseconds, memory, or so many times. */
const FIGURE = /\d (ms|MiB|MB)\b|\d\.\d+ times/;
/** Headings of a table of measurements. */
const FIGURES = /\b(ms|seconds|p50|p99|MiB|MB|CPU|a second)\b/;

/** What stands between backticks. */
export const quoted = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string);
