/** `isthmus verify FILE`: verifies a signed response without a hub. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { trustedKeys } from './actions/trusted-keys.ts';
import { run, writeLine } from './runner/command-runner.ts';

export function addVerify(program: Command): void {
  program
    .command('verify <file>')
    .description(
      'verify a signed response offline: query, variables, data and provenance are unchanged since it was signed',
    )
    .option('--key <id...>', 'ids of accepted signing keys (default: any; the key is printed)')
    .option('--keys <file>', 'key set saved from /.well-known/isthmus-keys.json')
    .action((file: string, options: { key?: string[]; keys?: string }) =>
      run(async () => {
        const { verifyResponseFile } = await import('../trust/audit/export/verification-report.ts');
        return verifyResponseFile(resolve(file), await trustedKeys(options), writeLine);
      }),
    );
}
