/** A park's isthmus.yaml in a folder of its own, `isthmus onboard` on it, and a hub that runs on what was written. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OnboardOptions } from '../connectors/configured/onboard/probe.ts';
import { configurable } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import type { HostPace } from '../connectors/kit/config/sections/check-intervals.ts';
import { makeLog } from '../connectors/kit/log.ts';
import { freshDatabase } from '../connectors/kit/testing/test-database.ts';
import { onboard } from '../gateway/commands/actions/onboard.ts';
import { type Hub, start } from '../gateway/main.ts';
import type { Answer } from './hub.ts';

const YAML = `# The park of the test.
parks:
  - { id: lakeside, name: Lakeside, region: "500112", buildings: [{ id: b1, name: One, known: [B01] }, { id: b2, name: Two, known: [B02] }] }
anonymous: developer
`;

export interface Onboarding {
  readonly directory: string;
  /** isthmus.yaml, and what stood in it first. */
  readonly file: string;
  readonly before: string;
  /** What the environment holds. */
  readonly secrets: Record<string, string>;
  readonly log: string[];
  readonly database: Awaited<ReturnType<typeof freshDatabase>>;
  /** `isthmus onboard`, with `--yes` unless it is said otherwise; what was told. */
  run(
    kind: OnboardOptions['kind'],
    source: string,
    system: string,
    more?: Partial<OnboardOptions>,
  ): Promise<{ told: string; written: boolean }>;
  read(): ReturnType<typeof readConfig>;
  start(pace?: Partial<HostPace>): Promise<Hub>;
  ask(query: string): Promise<Answer>;
  close(): Promise<void>;
}

export async function onboarding(): Promise<Onboarding> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-onboard-'));
  const file = join(directory, 'isthmus.yaml');
  writeFileSync(file, YAML);
  const secrets: Record<string, string> = {};
  const log: string[] = [];
  const database = await freshDatabase();
  let hub: Hub | undefined;
  const read = () => readConfig(readFileSync(file, 'utf8'), file, configurable, secrets);
  return {
    ...{ directory, file, before: YAML, secrets, log, database, read },
    run: async (kind, source, system, more = {}) => {
      const lines: string[] = [];
      const written = await onboard({
        ...{ kind, source, system, url: null, park: null, config: file, headers: [], tables: [], yes: true },
        ...{ environment: secrets, say: (line: string) => lines.push(line), terminal: false, ...more },
      });
      const told = lines.join('\n');
      if (process.env['ISTHMUS_TRANSCRIPT']) process.stdout.write(`${told}\n`);
      return { told, written };
    },
    start: async (pace = {}) => {
      hub = await start({
        ...{ config: read(), host: '127.0.0.1', port: 0, data: join(directory, 'data'), databaseUrl: database.url },
        ...{ log: makeLog((line) => log.push(line)), pace: { checkUp: 200, checkDown: 200, ...pace } },
      });
      return hub;
    },
    ask: async (query) => {
      const answer = await fetch(`${hub?.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query }),
      });
      return (await answer.json()) as Answer;
    },
    close: async () => {
      await hub?.stop();
      await database.drop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
