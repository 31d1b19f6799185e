/** docs/operations.md and docs/events.md against the code: variables, metrics, ages, deliveries and defaults (tests/docs.test.ts holds the rest). */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema, type GraphQLEnumType, type GraphQLUnionType } from 'graphql';
import { describe, expect, test } from 'vitest';
import { islands } from '../connectors/index.ts';
import { DEFAULT_PACE } from '../connectors/kit/config/sections/check-intervals.ts';
import { DEFAULT_LIMITS } from '../connectors/kit/config/sections/limits.ts';
import { readMilliseconds } from '../connectors/kit/config/settings.ts';
import { DEFAULT_POLICY } from '../connectors/kit/guard/guard.ts';
import { readEnvironment } from '../gateway/environment.ts';
import { ROOM } from '../gateway/live/websocket/socket-writer.ts';
import { DocsPage, quoted } from './docs-page.ts';

const ROOT = join(import.meta.dirname, '..');
const operations = new DocsPage('operations');
const events = new DocsPage('events');

/** All sources of the program, without tests. */
const sources = ['gateway', 'connectors', 'schema'].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !/\.test\.ts$|testing|simulator|node_modules/.test(file))
    .map((file) => readFileSync(join(ROOT, folder, file), 'utf8')),
);
const found = (pattern: RegExp): string[] => [
  ...new Set(sources.flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1] as string))),
];
/** `30 s`, `1 hour`, `30 days` in milliseconds. */
const time = (text: string): number => {
  const [, count = '', unit = ''] = /^(\d+) (ms|s|minutes?|hours?|days?)$/.exec(text) ?? [];
  return readMilliseconds(`${count}${unit === 'ms' ? unit : unit.slice(0, 1)}`);
};

describe('docs/operations.md', () => {
  test('lists the variables of the environment with their defaults', () => {
    const rows = operations.table('variable').map(([name, , fallback = '']) => [quoted(name)[0], fallback]);
    const defaults = readEnvironment({});
    const listed = Object.fromEntries(rows);
    expect(listed).toMatchObject({
      PORT: String(defaults.port),
      HOST: defaults.host,
      ISTHMUS_DATA: defaults.data,
      NATS_URL: 'none',
    });
    const used = found(/(?:process\.env|environment)\['((?:ISTHMUS_[A-Z_]+|[A-Z]+_URL))'\]/g);
    expect(used.length).toBeGreaterThan(3);
    expect(used.filter((name) => !(name in listed) && !operations.code.includes(name))).toEqual([]);
  });

  test('lists every metric, and no other', () => {
    const listed = operations.table('metric').flatMap(([names]) => quoted(names));
    const measuring = sources.filter((text) => text.includes("from 'prom-client'")).join('\n');
    const made = [...measuring.matchAll(/'(isthmus_[a-z_]+)'/g)].map((match) => match[1] as string);
    expect(listed.sort()).toEqual([...new Set(made)].sort());
  });

  test('gives the ages for which readings are fresh and usable', () => {
    let connector = '';
    const listed = operations.table('connector').flatMap(([name = '', types = '', ...ages]) => {
      connector = name || connector;
      // The table of what drift compares has the same first heading.
      if (ages.length < 4) return [];
      const [fresh = '', usable = '', durable = '', changed = ''] = ages;
      return types
        .split(', ')
        .map((type) => [`${connector} ${type}`, [time(fresh), time(usable), durable === 'yes', changed !== '']]);
    });
    const declared = islands.flatMap((one) =>
      Object.entries(one.keeps?.({} as never) ?? {}).map(([type, keep]) => [
        `${one.name} ${type}`,
        [keep.fresh, keep.usable, keep.durable ?? false, keep.changedBy !== undefined],
      ]),
    );
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(declared));
  });

  test('gives the defaults of the guard and of the checks', () => {
    const listed = Object.fromEntries(
      operations.table('setting of `guard`').map(([name, fallback = '']) => [quoted(name)[0], fallback]),
    );
    const ms = (key: string): number => time(listed[key] ?? '');
    expect({
      concurrency: Number(listed['concurrency']),
      queue: Number(listed['queue']),
      rate: listed['rate'],
      retries: Number(listed['retries']),
      patience: ms('patience'),
      faults: Number(listed['faults']),
      pause: ms('pause'),
      checkUp: ms('checkUp'),
      checkDown: ms('checkDown'),
      checkTime: ms('checkTime'),
      drift: ms('drift'),
    }).toEqual({
      concurrency: DEFAULT_POLICY.concurrency,
      queue: DEFAULT_POLICY.queue,
      rate: DEFAULT_POLICY.rate ?? 'none',
      retries: DEFAULT_POLICY.retries,
      patience: DEFAULT_POLICY.patience,
      faults: DEFAULT_POLICY.breaker.faults,
      pause: DEFAULT_POLICY.breaker.pause,
      checkUp: DEFAULT_PACE.checkUp,
      checkDown: DEFAULT_PACE.checkDown,
      checkTime: DEFAULT_PACE.checkTime,
      drift: DEFAULT_PACE.drift,
    });
    const schema = JSON.parse(readFileSync(join(ROOT, 'schema', 'isthmus.schema.json'), 'utf8'));
    expect(Object.keys(listed).sort()).toEqual(Object.keys(schema.properties.guard.properties).sort());
  });
});

describe('docs/events.md', () => {
  const api = buildSchema(readFileSync(join(ROOT, 'schema', 'api.graphql'), 'utf8'), { assumeValidSDL: true });

  test('lists the deliveries and the reasons of a gap', () => {
    expect(events.table('delivery').flatMap(([name]) => quoted(name))).toEqual(
      (api.getType('EventDelivery') as GraphQLUnionType).getTypes().map((type) => type.name),
    );
    expect(
      events
        .table('reason of a `Gap`')
        .flatMap(([name]) => quoted(name))
        .sort(),
    ).toEqual(
      (api.getType('GapReason') as GraphQLEnumType)
        .getValues()
        .map((value) => value.name)
        .sort(),
    );
  });

  test('gives the bounds of a client that is slow, and of one caller', () => {
    expect(events.prose).toContain(`${ROOM / 1024} KB`);
    expect(events.prose.replace(/\s+/g, ' ')).toContain(
      `${DEFAULT_LIMITS.subscriptions.toLocaleString('en')} subscriptions at once`,
    );
  });
});
