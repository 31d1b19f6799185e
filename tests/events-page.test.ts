/** docs/events.md: every example is run as it stands there; only the address is another. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from './hub.ts';
import { type LiveHub, liveHub, logged, write } from './live-hub.ts';

const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'events.md'), 'utf8');
const examples = (language: string): string[] =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map((one) =>
    (one[1] as string).replaceAll('http://localhost:4000/graphql', live.url),
  );
const file = join(import.meta.dirname, `.example-${process.pid}.mts`);

let live: LiveHub;
const children: ChildProcess[] = [];
beforeAll(async () => {
  live = await liveHub();
});
afterAll(async () => {
  for (const child of children) child.kill();
  rmSync(file, { force: true });
  await live?.close();
});

/** What the program says, as it comes. */
function run(command: string, args: readonly string[], env: Record<string, string> = {}): { readonly said: string } {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const heard = { said: '' };
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    heard.said += part;
  });
  return heard;
}
const shell = (text: string, env?: Record<string, string>) => run('sh', ['-c', `exec ${text}`], env);
const ids = (text: string): string[] => [...text.matchAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g)].map(String);

test('the examples of docs/events.md tell the same events', async () => {
  const [follow, resume, history] = examples('sh') as [string, string, string];
  writeFileSync(file, examples('ts')[0] as string);
  const sse = shell(follow);
  const apollo = run(process.execPath, ['--import', 'tsx', file]);
  let n = 0;
  await until('both listen', 20, async () => {
    await write(live.database, [`warm ${n++}`]);
    return ids(sse.said).length > 0 && ids(apollo.said).length > 0;
  });
  const [lastId] = [...sse.said.matchAll(/^id: (\S+)$/gm)].slice(-1).map((one) => one[1] as string);
  for (let i = 0; i < 5; i++) await write(live.database, [`a${i}`, `b${i}`]);
  const wanted = (await logged(live.database)).slice(-10);
  const resumed = shell(resume, { LAST_ID: lastId as string });
  for (const one of [sse, apollo, resumed])
    await until('ten events', 10, () => ids(one.said).slice(-10).join() === wanted.join());
  const asked = shell(history);
  await until('history', 10, () => ids(asked.said).slice(-10).join() === wanted.join());
  expect(asked.said).toContain('endCursor');
});
