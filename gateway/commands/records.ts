/** The commands around the hub's own records: its database, the audit log, signatures and tokens. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { nothingThere } from '../data-folder.ts';
import { readEnvironment } from '../environment.ts';
import type { TokenOptions } from './actions/token.ts';
import { CommandError, run, say, several } from './runner/command-runner.ts';

/** Keys that may have signed: named by id, or by a saved key set. */
async function trustedKeys(options: { key?: string[]; keys?: string }): Promise<string[] | undefined> {
  const { keysOfFile } = await import('../trust/audit/export/verification-report.ts');
  const all = [...(options.key ?? []), ...(options.keys ? keysOfFile(resolve(options.keys)) : [])];
  return all.length > 0 ? all : undefined;
}

/** `isthmus verify`. */
export function addVerify(program: Command): void {
  program
    .command('verify <file>')
    .description(
      'verify a signed answer without the hub: query, variables, data and provenance are as they were signed',
    )
    .option('--key <id...>', 'ids of the keys that may have signed (default: any, and it is named)')
    .option('--keys <file>', 'a key set saved from /.well-known/isthmus-keys.json')
    .action((file: string, options: { key?: string[]; keys?: string }) =>
      run(async () => {
        const { verifyAnswerFile } = await import('../trust/audit/export/verification-report.ts');
        return verifyAnswerFile(resolve(file), await trustedKeys(options), say);
      }),
    );
}

/** `isthmus audit verify`, `trim`, `erase`. */
export function addAudit(program: Command): void {
  const audit = program.command('audit').description('the audit log: who has read protected data');

  audit
    .command('verify <file>')
    .description('verify an export without the hub: names the first broken entry, cut tails and missing chains')
    .option('--key <id...>', 'ids of the keys that may have signed (default: every key that the file names)')
    .option('--keys <file>', 'a key set saved from /.well-known/isthmus-keys.json')
    .option('--known <number:hash>', 'newest statement of an earlier verification, which the log must still hold')
    .option('--heads <path...>', 'head files, or folders of them, which the log must agree with')
    .action((file: string, options: { key?: string[]; keys?: string; known?: string; heads?: string[] }) =>
      run(async () => {
        const { verifyFile, verifyOptions } = await import('../trust/audit/export/verification-report.ts');
        const { known, heads } = options;
        const given = verifyOptions({ trusted: await trustedKeys(options), known, heads });
        return verifyFile(resolve(file), given, say);
      }),
    );

  audit
    .command('trim')
    .description('drop entries before a day; the rest still verifies')
    .requiredOption('--before <day>', 'such as 2026-01-31')
    .action((options: { before: string }) =>
      run(async () => {
        const before = new Date(options.before);
        // Date takes 2026-02-31 for the third of March.
        if (Number.isNaN(before.getTime()) || before.toISOString().slice(0, 10) !== options.before) {
          throw new CommandError(
            `--before must be a day, found ${JSON.stringify(options.before)}; example: 2026-01-31`,
          );
        }
        const { trimCommand } = await import('./actions/audit.ts');
        return trimCommand(before, say);
      }),
    );

  audit
    .command('erase <type> <id>')
    .description(
      'erase the salt of an entity, such as Company 91500112000060409P: no entry can be traced to it any more',
    )
    .action((type: string, id: string) =>
      run(async () => {
        const { eraseCommand } = await import('./actions/audit.ts');
        return eraseCommand(type, id, say);
      }),
    );
}

/** `isthmus export audit`. */
export function addExport(program: Command): void {
  program
    .command('export')
    .description("take the hub's own records out")
    .command('audit <file>')
    .description('write the audit log into a file that isthmus audit verify reads, and compare it with the head files')
    .option('--heads <path...>', 'further head files, or folders of them, beside those in ISTHMUS_DATA')
    .option('--key <id...>', 'ids of older keys that may have signed, beside the present one')
    .option('--keys <file>', 'a key set saved from /.well-known/isthmus-keys.json with such keys')
    .action((file: string, options: { heads?: string[]; key?: string[]; keys?: string }) =>
      run(async () => {
        const { exportCommand } = await import('./actions/audit.ts');
        const given = { heads: options.heads, trusted: await trustedKeys(options) };
        return exportCommand(file, given, say);
      }),
    );
}

/** `isthmus token`. */
export function addToken(program: Command): void {
  program
    .command('token')
    .description("sign a token of the demo's own issuer, for auth: { demo: true }")
    .requiredOption('--role <role>', 'operator, portal, analyst, developer or company')
    .option('--park <id>', 'a park that it may see; may be given several times', several)
    .option('--company <uscc>', 'a company that it may act for; may be given several times', several)
    .option('--client <name>', 'the application (default: demo-<role>)')
    .option('--subject <name>', 'the person or machine (default: demo:<role>)')
    .option('--purpose <word>', 'why it asks, such as tax')
    .option('--minutes <number>', 'how long it is valid (default: 60)')
    .action((options: TokenOptions) =>
      run(async () => {
        const { readTokenOptions } = await import('./actions/token.ts');
        const wish = readTokenOptions(options);
        const { issuerFile, readDemoIssuer } = await import('../trust/tokens/demo-issuer.ts');
        const { data } = readEnvironment(process.env);
        const issuer = await readDemoIssuer(data);
        if (issuer === null) {
          throw nothingThere(
            "no key of the demo's issuer (issuer.jwk), which a hub with auth: { demo: true } makes",
            data,
          );
        }
        const token = await issuer.sign(wish);
        if (process.stderr.isTTY) process.stderr.write(`Signed with ${issuerFile(data)}.\n`);
        say(token);
      }),
    );
}
