/**
 * `npm run show:rollups -- [--count N] [--seed N]`: plays random histories of meters and compares each answer with one from all readings. Prints what
 * they contained; the exit code is 1 at the first difference.
 */
import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createTemplateDatabase, createTestDatabase } from '../../connectors/kit/testing/test-database.ts';
import { startEmbeddedPostgres } from '../../schema/database/embedded/embedded-postgres.ts';
import { playHistories } from './history.ts';

const { values } = parseArgs({ options: { count: { type: 'string' }, seed: { type: 'string' } } });
const count = Number(values.count ?? 100);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (!(count > 0) || !Number.isInteger(seed)) {
  process.stderr.write('Usage: npm run show:rollups -- [--count N] [--seed N]\n');
  process.exit(2);
}
const print = (text: string) => void process.stdout.write(`${text}\n`);
const directory = mkdtempSync(join(tmpdir(), 'isthmus-rollups-'));
const cluster = await startEmbeddedPostgres({ directory, durable: false, listen: { host: '127.0.0.1', port: 0 } });
try {
  process.env['ISTHMUS_TEST_CLUSTER'] = cluster.url;
  process.env['ISTHMUS_TEST_TEMPLATE'] = await createTemplateDatabase();
  const began = performance.now();
  const counts = await playHistories(createTestDatabase, seed, count, (played) => {
    if (played % 100 === 0) print(`${played} histories`);
  });
  print(
    `${count} histories from seed ${seed} in ${((performance.now() - began) / 1000).toFixed(0)} s: ${counts.readings} readings at their ends, ` +
      `${counts.questions} questions, ${counts.buckets} buckets, all equal to the readings`,
  );
  print(
    `questions with sums in their range: ${counts.fromSums}; steps: ${Object.entries(counts.steps)
      .map(([kind, n]) => `${kind} ${n}`)
      .join(', ')}`,
  );
} catch (error) {
  print(`DIFFERENT: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
}
process.exit();
