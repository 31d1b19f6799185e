/** Runs `isthmus onboard` on an isthmus.yaml in a temporary folder, and a hub with the result. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OnboardOptions } from '../connectors/configured/onboard/probe.ts';
import { configurable } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import type { CheckIntervals } from '../connectors/kit/config/sections/check-intervals.ts';
import { createLog } from '../connectors/kit/log.ts';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { onboard } from '../gateway/commands/actions/onboard.ts';
import { type Hub, startHub } from '../gateway/main.ts';
import type { GraphqlResponse } from './test-hub.ts';

const YAML = `# The park of the test.
parks:
  - { id: lakeside, name: Lakeside, region: "500112", buildings: [{ id: b1, name: One, known: [B01] }, { id: b2, name: Two, known: [B02] }] }
anonymous: developer
`;

export interface OnboardingTest {
  readonly directory: string;
  /** Path of isthmus.yaml, and its original text. */
  readonly file: string;
  readonly originalText: string;
  /** Environment variables of `onboard` and the hub. */
  readonly secrets: Record<string, string>;
  readonly log: string[];
  readonly database: Awaited<ReturnType<typeof createTestDatabase>>;
  /** Runs `isthmus onboard` with `--yes` unless `more` says otherwise; returns its output. */
  onboard(
    kind: OnboardOptions['kind'],
    source: string,
    system: string,
    more?: Partial<OnboardOptions>,
  ): Promise<{ output: string; written: boolean }>;
  read(): ReturnType<typeof readConfig>;
  start(pace?: Partial<CheckIntervals>): Promise<Hub>;
  query(query: string): Promise<GraphqlResponse>;
  close(): Promise<void>;
}

export async function startOnboardingTest(): Promise<OnboardingTest> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-onboard-'));
  const file = join(directory, 'isthmus.yaml');
  writeFileSync(file, YAML);
  const secrets: Record<string, string> = {};
  const log: string[] = [];
  const database = await createTestDatabase();
  let hub: Hub | undefined;
  const read = () => readConfig(readFileSync(file, 'utf8'), file, configurable, secrets);
  return {
    ...{ directory, file, originalText: YAML, secrets, log, database, read },
    onboard: async (kind, source, system, more = {}) => {
      const lines: string[] = [];
      const written = await onboard({
        ...{ kind, source, system, url: null, park: null, config: file, headers: [], tables: [], yes: true },
        ...{ environment: secrets, say: (line: string) => lines.push(line), isTerminal: false, ...more },
      });
      const output = lines.join('\n');
      if (process.env['ISTHMUS_TRANSCRIPT']) process.stdout.write(`${output}\n`);
      return { output, written };
    },
    start: async (pace = {}) => {
      hub = await startHub({
        ...{ config: read(), host: '127.0.0.1', port: 0, data: join(directory, 'data'), databaseUrl: database.url },
        ...{ log: createLog((line) => log.push(line)), intervals: { checkUp: 200, checkDown: 200, ...pace } },
      });
      return hub;
    },
    query: async (query) => {
      const answer = await fetch(`${hub?.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query }),
      });
      return (await answer.json()) as GraphqlResponse;
    },
    close: async () => {
      await hub?.stop();
      await database.drop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
