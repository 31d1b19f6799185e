/** `isthmus token`: signs an access token of the demo issuer. */
import type { Command } from 'commander';
import type { TokenOptions } from './actions/token.ts';
import { run, several, writeLine } from './runner/command-runner.ts';

export function addToken(program: Command): void {
  program
    .command('token')
    .description("sign a token with the demo issuer's key, for auth: { demo: true }")
    .requiredOption('--role <role>', 'operator, portal, analyst, developer or company')
    .option('--park <id>', 'park that the token may access; repeatable', several)
    .option('--company <uscc>', 'company that the token may act for; repeatable', several)
    .option('--client <name>', 'name of the application (default: demo-<role>)')
    .option('--subject <name>', 'person or machine (default: demo:<role>)')
    .option('--purpose <word>', 'purpose of the access, such as tax')
    .option('--minutes <number>', 'lifetime in minutes (default: 60)')
    .action((options: TokenOptions) =>
      run(async () => {
        const { signDemoToken } = await import('./actions/token.ts');
        return signDemoToken(options, writeLine);
      }),
    );
}
