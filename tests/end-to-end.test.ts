/** The complete hub with all source connectors: the same tests in one process and in seven. */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type GraphQLInputType, getNullableType, isInputObjectType, isListType } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sourceConnectors } from '../connectors/index.ts';
import type { SourceCallEvent } from '../connectors/kit/guard/guard-types.ts';
import { fieldsWithArguments, operationFor, validValue } from './graph-arguments.ts';
import {
  DEPLOYMENTS,
  explorerOperation,
  type GraphqlResponse,
  startTestHub,
  type TestHub,
  waitFor,
} from './test-hub.ts';

const DAY = 86_400_000;
const span = () => ({
  from: new Date(Date.now() - DAY).toISOString(),
  to: new Date(Date.now() + 3_600_000).toISOString(),
});

/** Paths of nulls and empty lists in a response. */
function holes(value: unknown, path = ''): string[] {
  if (value === null || value === undefined) return [path];
  if (Array.isArray(value)) return value.length === 0 ? [path] : value.flatMap((one, i) => holes(one, `${path}.${i}`));
  if (typeof value === 'object')
    return Object.entries(value).flatMap(([name, one]) => holes(one, path ? `${path}.${name}` : name));
  return [];
}

/** Number of calls to source systems during `work`, by source and operation. */
async function countCalls(work: () => Promise<unknown>): Promise<Map<string, number>> {
  const calls = new Map<string, number>();
  const count = (message: unknown): void => {
    const { source, operation } = message as SourceCallEvent;
    const name = `${source} ${operation}`;
    calls.set(name, (calls.get(name) ?? 0) + 1);
  };
  subscribe('isthmus:source:call', count);
  try {
    await work();
  } finally {
    unsubscribe('isthmus:source:call', count);
  }
  return calls;
}

describe.each(DEPLOYMENTS)('the complete hub, %s', (form) => {
  let testHub: TestHub;
  let codes: string[] = [];
  const company360 = (uscc: string): Promise<GraphqlResponse> =>
    testHub.query(explorerOperation('Company360'), { uscc, ...span() });

  beforeAll(async () => {
    testHub = await startTestHub(form);
    await waitFor('every source answers', 120, async () => {
      const { data } = await testHub.query(explorerOperation('Sources'));
      return (
        data?.sources?.length >= sourceConnectors.length &&
        data.sources.every((source: { state: string }) => source.state !== 'DOWN')
      );
    });
    await waitFor('the companies are known by name', 60, async () => {
      const { data } = await testHub.query(explorerOperation('Companies'), { first: 50 });
      codes = data.companies.nodes.map((node: { uscc: string }) => node.uscc);
      return codes.length === 40 && data.companies.nodes.every((node: { name: string | null }) => node.name);
    });
  }, 180_000);

  afterAll(async () => {
    await testHub?.close();
  }, 60_000);

  test('Company360 makes each call to each source once', async () => {
    // Runs before other queries, which would fill the read cache.
    const variables = { uscc: codes.at(-1) as string, ...span() };
    let answer: GraphqlResponse = {};
    const callCounts = await countCalls(async () => {
      answer = await testHub.query(explorerOperation('Company360'), variables, { extensions: { cost: true } });
    });
    // Tax, energy and identifiers are answered from mirrors.
    const { calls } = answer.extensions?.cost.actual ?? {};
    console.log(`Company360 on the demo, ${form}: ${JSON.stringify(calls)}`);
    expect(calls).toEqual({ 'lakeside-register': 1, 'lakeside-access': 1, 'lakeside-parking': 3 });
    // Connectors in other processes publish no diagnostics here.
    if (form !== 'embedded') return;
    const questions = [
      'lakeside-register company',
      'lakeside-access presence of companies',
      'lakeside-parking permits of holders',
      'lakeside-parking open sessions',
      'lakeside-parking places',
    ];
    for (const name of questions) expect(callCounts.get(name), name).toBe(1);
    // Other calls come from scheduled jobs.
    const others = [...callCounts.keys()].filter((name) => !questions.includes(name));
    expect(others.filter((name) => !/ poll:? | check$/.test(name))).toEqual([]);
  });

  test('every operation of the explorer answers without errors', async () => {
    const files = readdirSync(join(import.meta.dirname, '..', 'gateway', 'explorer', 'operations')).filter((one) =>
      one.endsWith('.graphql'),
    );
    expect(files.length).toBeGreaterThanOrEqual(6);
    for (const file of files) {
      const text = explorerOperation(file.replace('.graphql', ''));
      if (/^subscription/m.test(text)) continue;
      const answer = await testHub.query(text, { uscc: codes[0], id: 'lakeside', ...span() });
      expect(answer.errors, file).toBeUndefined();
    }
  });

  test('Company360 is filled in every field for at least one company', async () => {
    await waitFor('a company with every field', 60, async () => {
      // Five at a time: forty at once in seven processes would depend on the speed of the machine.
      const answers: GraphqlResponse[] = [];
      for (let i = 0; i < codes.length; i += 5) {
        answers.push(...(await Promise.all(codes.slice(i, i + 5).map((code) => company360(code)))));
      }
      expect(answers.flatMap((answer) => answer.errors ?? [])).toEqual([]);
      const sets = answers.map(({ data }) => {
        const company = data.company;
        // Only parked cars have a session, and energy buckets may have gaps.
        const parked = company.vehicles.nodes.some((node: { session: unknown }) => node.session);
        const measured = company.energy.buckets.some((bucket: { value: unknown }) => bucket.value);
        const rest = holes({ ...company, vehicles: company.vehicles.nodes.length, energy: company.energy.total });
        return [
          ...rest.filter((one) => !/recordedAt$/.test(one)),
          ...(parked ? [] : ['session']),
          ...(measured ? [] : ['energy']),
        ];
      });
      const best = sets.reduce((a, b) => (b.length < a.length ? b : a));
      if (best.length > 0) throw new Error(`the most complete company lacks ${best.join(', ')}`);
      return true;
    });
  }, 90_000);

  /** States by source, as reported by /readyz, /metrics and the `sources` query. */
  const states = async () => {
    const ready = (await (await fetch(`${testHub.url}/readyz`)).json()) as { sources: { id: string; state: string }[] };
    const metrics = await (await fetch(`${testHub.url}/metrics`)).text();
    const { data } = await testHub.query('{ sources { id state reason } }');
    const byId = (all: { id: string; state: string }[]) =>
      Object.fromEntries(all.map((one) => [one.id, one.state]).sort());
    const up = { 1: 'UP', 0.5: 'DEGRADED', 0: 'DOWN' } as Record<string, string>;
    const gauges = [...metrics.matchAll(/^isthmus_source_up\{source="([^"]+)"\} (\S+)$/gm)];
    return {
      readyz: byId(ready.sources),
      metrics: byId(gauges.map(([, id = '', value = '']) => ({ id, state: up[value] ?? value }))),
      graph: byId(data.sources),
      reasons: Object.fromEntries(
        data.sources.map((source: { id: string; reason: string }) => [source.id, source.reason]),
      ),
    };
  };

  test('/readyz, /metrics and the sources query report the same states', async () => {
    await waitFor('all three agree', 30, async () => {
      const { readyz, metrics, graph } = await states();
      expect(Object.keys(graph).length).toBeGreaterThanOrEqual(sourceConnectors.length);
      expect([readyz, metrics]).toEqual([graph, graph]);
      return true;
    });
  });

  test.runIf(form === 'scale-out')(
    'a killed connector is reported DOWN by all three, and UP when it is back',
    async () => {
      await testHub.killConnector('parking');
      await waitFor('all three report DOWN', 30, async () => {
        const { readyz, metrics, graph, reasons } = await states();
        expect([readyz, metrics, graph].map((one) => one['lakeside-parking'])).toEqual(['DOWN', 'DOWN', 'DOWN']);
        expect(reasons['lakeside-parking']).toBe('the connector process is not responding');
        return true;
      });
      await testHub.startConnector('parking');
      await waitFor('all three report UP', 30, async () => {
        const { readyz, metrics, graph } = await states();
        expect([readyz, metrics, graph].map((one) => one['lakeside-parking'])).toEqual(['UP', 'UP', 'UP']);
        return true;
      });
    },
    90_000,
  );

  test('Live delivers events of four connectors, and resumes after a cursor without gaps or duplicates', async () => {
    const live = testHub.subscribe(explorerOperation('Live'));
    const kinds = await waitFor('events of four connectors', 60, () => {
      const events = live.deliveries.flatMap((delivery) => delivery.data?.events?.events ?? []);
      const islandsSeen = new Set(events.map((event: { kind: string }) => CONNECTOR_OF[event.kind]));
      return islandsSeen.size >= 4 ? events : null;
    });
    live.stop();
    const errors = live.deliveries.flatMap((delivery) => delivery.errors ?? (delivery.error ? [delivery.error] : []));
    expect(errors).toEqual([]);
    const cursor = kinds[0].cursor as string;
    const again = testHub.subscribe(explorerOperation('Live'), { after: cursor });
    const resumed = await waitFor('the same events again', 20, () => {
      const events = again.deliveries.flatMap((delivery) => delivery.data?.events?.events ?? []);
      return events.length >= kinds.length - 1 ? events : null;
    });
    again.stop();
    const ids = resumed.map((one: { id: string }) => one.id);
    expect(ids.slice(0, kinds.length - 1)).toEqual(kinds.slice(1).map((kind: { id: string }) => kind.id));
    expect(new Set(ids).size).toBe(ids.length);
    const history = await testHub.query(explorerOperation('History'), { first: 5, after: cursor });
    expect(history.data.events.nodes[0].id).toBe(ids[0]);
  }, 120_000);

  test.each(sourceConnectors.map((sourceConnector) => sourceConnector.name))(
    '%s is down: its last known values are returned and marked, other fields are not affected, and it recovers',
    async (name) => {
      const before = await company360(codes[0] as string);
      const { sources } = (await testHub.query(explorerOperation('Sources'))).data as {
        sources: { id: string; system: string }[];
      };
      const own = sources.filter((source) => source.system === name).map((source) => source.id);
      const ownField = LIVE_FIELDS[name] ?? name;
      const proved = name !== 'energy' && name !== 'parking';
      await testHub.stopSimulator(name);
      try {
        const response = await waitFor('the source is down', 15, async () => {
          const started = performance.now();
          const answer = await company360(codes[0] as string);
          expect(performance.now() - started).toBeLessThan(3_500);
          // Wait until only this source is marked: another may still be recovering from the previous test.
          const marked = (answer.extensions?.sources ?? []).map((source: { source: string }) => source.source);
          if (marked.length === 0 || !marked.every((one: string) => own.includes(one))) return null;
          // A source may go down during a response: marked, although the value was read just before.
          return proved && !answer.data.company?.[ownField]?.provenance.stale ? null : answer;
        });
        const company = response.data.company;
        expect(company.name).toBe(before.data.company.name);
        expect(response.errors).toBeUndefined();
        expect(response.extensions.sources.map((source: { state: string }) => source.state)).toEqual(['stale']);
        if (name === 'energy') expect(company.meters.nodes.length).toBe(before.data.company.meters.nodes.length);
        else if (proved) expect(company[ownField].provenance.stale).toBe(true);
        for (const [other, field] of Object.entries(LIVE_FIELDS)) {
          expect(company[field], field).not.toBeNull();
          if (other !== name) expect(company[field].provenance?.stale ?? false, field).toBe(false);
        }
      } finally {
        await testHub.startSimulator(name);
      }
      await waitFor('the source recovers', 15, async () => {
        const { errors, extensions } = await company360(codes[0] as string);
        const sources = (await testHub.query(explorerOperation('Sources'))).data.sources as {
          system: string;
          state: string;
        }[];
        const own = sources.filter((source) => source.system === name).map((source) => source.state);
        return errors === undefined && extensions?.sources === undefined && own.every((state) => state === 'UP');
      });
    },
    60_000,
  );

  test('a caller without permission gets null and the error code', async () => {
    const answer = await testHub.hub.operations.run({
      query: '{ events(first: 1) { nodes { id } } parks { id } }',
      principal: null,
      signal: new AbortController().signal,
    });
    expect(answer.data).toEqual({ events: null, parks: [{ id: 'lakeside' }] });
    expect(answer.errors?.map((error) => error.extensions?.['code'])).toEqual(['UNAUTHENTICATED']);
  });

  test('unusual but valid argument values cause no internal errors', async () => {
    const { schema } = testHub.hub.operations.graph;
    const before = testHub.log.length;
    const found: string[] = [];
    for (const place of fieldsWithArguments(schema)) {
      if (place.root !== 'query') continue;
      for (const argument of place.field.args) {
        const query = operationFor(place, argument);
        for (const v of odd(argument.type)) {
          const { errors = [] } = await testHub.query(query, { v });
          for (const { message, extensions } of errors) {
            if (extensions['code'] === 'INTERNAL') found.push(`${query} ${JSON.stringify(v).slice(0, 80)}: ${message}`);
          }
        }
      }
    }
    expect(found).toEqual([]);
    const lines = testHub.log.slice(before).filter((line) => /"level":("error"|50)/.test(line));
    expect(lines).toEqual([]);
  }, 120_000);

  test('serves health, readiness and metrics', async () => {
    expect((await fetch(`${testHub.url}/healthz`)).status).toBe(200);
    const ready = await fetch(`${testHub.url}/readyz`);
    expect(ready.status).toBe(200);
    expect(await (await fetch(`${testHub.url}/metrics`)).text()).toContain('isthmus_log_position');
  });
});

/** Unusual values of each type; each is used alone in an otherwise ordinary input. */
const ODD: Readonly<Record<string, readonly unknown[]>> = {
  ID: ['雪'.repeat(512), '', ':', '%', "'; --", '../..', 'a:'.repeat(250), '💡\u200b\u202e', -1],
  String: ['雪'.repeat(50_000), '', '%_\\', "'; --", '\u0001\u007f\ufffe'],
  DateTime: ['0000-01-01T00:00:00Z', '9999-12-31T23:59:59.999999999-23:59', '1969-12-31T23:59:60Z'],
  Date: ['0000-01-01', '9999-12-31'],
  Period: ['0000', '9999-Q4', '0001-01'],
  Cursor: ['x', 'A'.repeat(1_024), '雪', '%00'],
  Int: [0, -1, 2_147_483_647, -2_147_483_648],
};
function odd(type: GraphQLInputType): unknown[] {
  const bare = getNullableType(type);
  if (isListType(bare)) return [[], ...odd(bare.ofType).map((one) => [one])];
  if (!isInputObjectType(bare)) return [...(ODD[bare.name] ?? [])];
  return [
    validValue(bare),
    ...Object.values(bare.getFields()).flatMap((field) =>
      odd(field.type).map((one) => ({ ...(validValue(bare) as object), [field.name]: one })),
    ),
  ];
}

const CONNECTOR_OF: Record<string, string> = {
  ACCESS_GRANTED: 'access-control',
  ACCESS_DENIED: 'access-control',
  DOOR_STATE_CHANGED: 'access-control',
  VEHICLE_ENTERED: 'parking',
  VEHICLE_EXITED: 'parking',
  OCCUPANCY_CHANGED: 'parking',
  METER_READING_TAKEN: 'energy',
  METER_ALARM: 'energy',
  REGISTRATION_CHANGED: 'registration',
  CASE_CHANGED: 'registration',
  TAX_FILE_RECEIVED: 'tax',
  SOURCE_STATE_CHANGED: 'hub',
};

const LIVE_FIELDS: Record<string, string> = {
  'access-control': 'presence',
  parking: 'vehicles',
  registration: 'registration',
};
