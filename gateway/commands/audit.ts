/** `isthmus audit verify`, `trim`, `erase`, and `isthmus export audit`. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { trustedKeys } from './actions/trusted-keys.ts';
import { CommandError, run, writeLine } from './runner/command-runner.ts';

/** `--before` as the start of that day in UTC. Throws `CommandError`. */
function readDay(text: string): Date {
  const day = new Date(text);
  // Date reads 2026-02-31 as 3 March.
  if (Number.isNaN(day.getTime()) || day.toISOString().slice(0, 10) !== text)
    throw new CommandError(`--before must be a day, found ${JSON.stringify(text)}; example: 2026-01-31`);
  return day;
}

export function addAudit(program: Command): void {
  const audit = program.command('audit').description('the audit log: who read protected data');

  audit
    .command('verify <file>')
    .description('verify an export offline: reports the first invalid entry, truncated chains and missing chains')
    .option('--key <id...>', 'ids of accepted signing keys (default: every key named in the file)')
    .option('--keys <file>', 'key set saved from /.well-known/isthmus-keys.json')
    .option('--known <number:hash>', 'newest statement of an earlier verification; the log must contain it')
    .option('--heads <path...>', 'head files or folders to compare the log with')
    .action((file: string, options: { key?: string[]; keys?: string; known?: string; heads?: string[] }) =>
      run(async () => {
        const { verifyExportFile, readVerifyOptions } = await import('../trust/audit/export/verification-report.ts');
        const { known, heads } = options;
        const checks = readVerifyOptions({ trusted: await trustedKeys(options), known, heads });
        return verifyExportFile(resolve(file), checks, writeLine);
      }),
    );

  audit
    .command('trim')
    .description('delete entries older than a day; the remaining log still verifies')
    .requiredOption('--before <day>', 'oldest day to keep, such as 2026-01-31')
    .action((options: { before: string }) =>
      run(async () => {
        const before = readDay(options.before);
        const { trimCommand } = await import('./actions/audit.ts');
        return trimCommand(before, writeLine);
      }),
    );

  audit
    .command('erase <type> <id>')
    .description(
      'erase the salt of an entity, such as Company 91500112000060409P: no entry can be linked to it any more',
    )
    .action((type: string, id: string) =>
      run(async () => {
        const { eraseCommand } = await import('./actions/audit.ts');
        return eraseCommand(type, id, writeLine);
      }),
    );
}

export function addExport(program: Command): void {
  program
    .command('export')
    .description("export the hub's own records")
    .command('audit <file>')
    .description('write the audit log to a file for isthmus audit verify, and compare it with the head files')
    .option('--heads <path...>', 'more head files or folders, in addition to those in ISTHMUS_DATA')
    .option('--key <id...>', 'ids of older signing keys to accept, in addition to the current key')
    .option('--keys <file>', 'key set saved from /.well-known/isthmus-keys.json with older keys')
    .action((file: string, options: { heads?: string[]; key?: string[]; keys?: string }) =>
      run(async () => {
        const { exportCommand } = await import('./actions/audit.ts');
        return exportCommand(file, { heads: options.heads, trusted: await trustedKeys(options) }, writeLine);
      }),
    );
}
