/** Runs every example of docs/events.md as written, except for the address. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { appendTestEvents, type BareHub, loggedEventIds, startBareHub } from './bare-hub.ts';
import { waitFor } from './test-hub.ts';

const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'events.md'), 'utf8');
const examples = (language: string): string[] =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map((one) =>
    (one[1] as string).replaceAll('http://localhost:4000/graphql', bareHub.url),
  );
const file = join(import.meta.dirname, `.example-${process.pid}.mts`);

let bareHub: BareHub;
const children: ChildProcess[] = [];
beforeAll(async () => {
  bareHub = await startBareHub();
});
afterAll(async () => {
  for (const child of children) child.kill();
  rmSync(file, { force: true });
  await bareHub?.close();
});

/** Starts the program; `output` grows as it prints. */
function run(command: string, args: readonly string[], env: Record<string, string> = {}): { readonly output: string } {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const started = { output: '' };
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    started.output += part;
  });
  return started;
}
const shell = (text: string, env?: Record<string, string>) => run('sh', ['-c', `exec ${text}`], env);
const ids = (text: string): string[] => [...text.matchAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g)].map(String);

test('all examples of docs/events.md deliver the same events', async () => {
  const [follow, resume, history] = examples('sh') as [string, string, string];
  writeFileSync(file, examples('ts')[0] as string);
  const sse = shell(follow);
  const apollo = run(process.execPath, ['--import', 'tsx', file]);
  let n = 0;
  await waitFor('both subscriptions deliver', 20, async () => {
    await appendTestEvents(bareHub.database, [`warm ${n++}`]);
    return ids(sse.output).length > 0 && ids(apollo.output).length > 0;
  });
  const [lastId] = [...sse.output.matchAll(/^id: (\S+)$/gm)].slice(-1).map((one) => one[1] as string);
  for (let i = 0; i < 5; i++) await appendTestEvents(bareHub.database, [`a${i}`, `b${i}`]);
  const wanted = (await loggedEventIds(bareHub.database)).slice(-10);
  const resumed = shell(resume, { LAST_ID: lastId as string });
  for (const one of [sse, apollo, resumed])
    await waitFor('ten events', 10, () => ids(one.output).slice(-10).join() === wanted.join());
  const queried = shell(history);
  await waitFor('history', 10, () => ids(queried.output).slice(-10).join() === wanted.join());
  expect(queried.output).toContain('endCursor');
});
