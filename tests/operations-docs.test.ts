/** Checks docs/operations.md and docs/events.md against the code: variables, metrics, ages, deliveries and defaults (tests/docs.test.ts checks the rest). */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema, type GraphQLEnumType, type GraphQLUnionType } from 'graphql';
import { describe, expect, test } from 'vitest';
import { sourceConnectors } from '../connectors/index.ts';
import { DEFAULT_CHECK_INTERVALS } from '../connectors/kit/config/sections/check-intervals.ts';
import { DEFAULT_GUARD_POLICY } from '../connectors/kit/config/sections/guard.ts';
import { DEFAULT_LIMITS } from '../connectors/kit/config/sections/limits.ts';
import { readMilliseconds } from '../connectors/kit/config/settings.ts';

import { readEnvironment } from '../gateway/environment.ts';
import { MAX_BUFFERED } from '../gateway/live/websocket/socket-writer.ts';
import { DocsPage, quoted } from './docs-page.ts';

const ROOT = join(import.meta.dirname, '..');
const operations = new DocsPage('operations');
const events = new DocsPage('events');

/** The program's source files, without tests. */
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
  test('lists the environment variables with their defaults', () => {
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
    expect(used.filter((name) => !(name in listed) && !operations.inlineCode.includes(name))).toEqual([]);
  });

  test('lists exactly the metrics', () => {
    const listed = operations.table('metric').flatMap(([names]) => quoted(names));
    const measuring = sources.filter((text) => text.includes("from 'prom-client'")).join('\n');
    const made = [...measuring.matchAll(/'(isthmus_[a-z_]+)'/g)].map((match) => match[1] as string);
    expect(listed.sort()).toEqual([...new Set(made)].sort());
  });

  test('gives the ages up to which readings are fresh and usable', () => {
    let connector = '';
    const listed = operations.table('connector').flatMap(([name = '', types = '', ...ages]) => {
      connector = name || connector;
      // The table of drift checks has the same first heading.
      if (ages.length < 4) return [];
      const [fresh = '', usable = '', durable = '', changed = ''] = ages;
      return types
        .split(', ')
        .map((type) => [`${connector} ${type}`, [time(fresh), time(usable), durable === 'yes', changed !== '']]);
    });
    const declared = sourceConnectors.flatMap((sourceConnector) =>
      Object.entries(sourceConnector.cacheAges?.({} as never) ?? {}).map(([type, keep]) => [
        `${sourceConnector.name} ${type}`,
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
      serveStaleAfter: ms('serveStaleAfter'),
      failureThreshold: Number(listed['failureThreshold']),
      openDuration: ms('openDuration'),
      checkUp: ms('checkUp'),
      checkDown: ms('checkDown'),
      checkTime: ms('checkTime'),
      drift: ms('drift'),
    }).toEqual({
      concurrency: DEFAULT_GUARD_POLICY.concurrency,
      queue: DEFAULT_GUARD_POLICY.queue,
      rate: DEFAULT_GUARD_POLICY.rate ?? 'none',
      retries: DEFAULT_GUARD_POLICY.retries,
      serveStaleAfter: DEFAULT_GUARD_POLICY.serveStaleAfter,
      failureThreshold: DEFAULT_GUARD_POLICY.breaker.failureThreshold,
      openDuration: DEFAULT_GUARD_POLICY.breaker.openDuration,
      checkUp: DEFAULT_CHECK_INTERVALS.checkUp,
      checkDown: DEFAULT_CHECK_INTERVALS.checkDown,
      checkTime: DEFAULT_CHECK_INTERVALS.checkTime,
      drift: DEFAULT_CHECK_INTERVALS.drift,
    });
    const schema = JSON.parse(readFileSync(join(ROOT, 'schema', 'isthmus.schema.json'), 'utf8'));
    const properties = Object.entries(schema.properties.guard.properties as Record<string, { deprecated?: boolean }>);
    const current = properties.flatMap(([name, { deprecated }]) => (deprecated ? [] : [name]));
    expect(Object.keys(listed).sort()).toEqual(current.sort());
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

  test('gives the buffer limit of slow clients and the subscription limit per caller', () => {
    expect(events.prose).toContain(`${MAX_BUFFERED / 1024} KB`);
    expect(events.prose.replace(/\s+/g, ' ')).toContain(
      `${DEFAULT_LIMITS.subscriptions.toLocaleString('en')} subscriptions (\`limits.subscriptions\`)`,
    );
  });
});
