/** The whole hub over all five islands, in one process and in seven: the same tests. */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type GraphQLInputType, getNullableType, isInputObjectType, isListType } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { islands } from '../connectors/index.ts';
import type { SourceCallFact } from '../connectors/kit/guard/guard.ts';
import { documentOf, places, right } from './graph-arguments.ts';
import { type Answer, FORMS, operation, until, type WholeHub, wholeHub } from './hub.ts';

const DAY = 86_400_000;
const span = () => ({
  from: new Date(Date.now() - DAY).toISOString(),
  to: new Date(Date.now() + 3_600_000).toISOString(),
});

/** Paths of nulls and empty lists in an answer. */
function holes(value: unknown, path = ''): string[] {
  if (value === null || value === undefined) return [path];
  if (Array.isArray(value)) return value.length === 0 ? [path] : value.flatMap((one, i) => holes(one, `${path}.${i}`));
  if (typeof value === 'object')
    return Object.entries(value).flatMap(([name, one]) => holes(one, path ? `${path}.${name}` : name));
  return [];
}

/** Questions to the legacy systems while `work` is done, by source and operation; not those of clocks. */
async function asked(work: () => Promise<unknown>): Promise<Map<string, number>> {
  const calls = new Map<string, number>();
  const count = (message: unknown): void => {
    const { source, operation } = message as SourceCallFact;
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

describe.each(FORMS)('the whole hub, %s', (form) => {
  let whole: WholeHub;
  let codes: string[] = [];
  const company360 = (uscc: string): Promise<Answer> => whole.ask(operation('Company360'), { uscc, ...span() });

  beforeAll(async () => {
    whole = await wholeHub(form);
    await until('every source answers', 120, async () => {
      const { data } = await whole.ask(operation('Sources'));
      return (
        data?.sources?.length >= islands.length && data.sources.every((one: { state: string }) => one.state !== 'DOWN')
      );
    });
    await until('the companies are known by name', 60, async () => {
      const { data } = await whole.ask(operation('Companies'), { first: 50 });
      codes = data.companies.nodes.map((one: { uscc: string }) => one.uscc);
      return codes.length === 40 && data.companies.nodes.every((one: { name: string | null }) => one.name);
    });
  }, 180_000);

  afterAll(async () => {
    await whole?.close();
  }, 60_000);

  test('Company360 asks each island each question once', async () => {
    // Before any other question: what was asked a moment ago would be answered from what is kept fresh.
    const variables = { uscc: codes.at(-1) as string, ...span() };
    let answer: Answer = {};
    const told = await asked(async () => {
      answer = await whole.ask(operation('Company360'), variables, { extensions: { cost: true } });
    });
    // Tax, energy and identifiers are answered from mirrors.
    const { calls } = answer.extensions?.cost.actual ?? {};
    console.log(`Company360 on the demo, ${form}: ${JSON.stringify(calls)}`);
    expect(calls).toEqual({ 'lakeside-register': 1, 'lakeside-access': 1, 'lakeside-parking': 3 });
    // In processes of their own connectors tell nothing here.
    if (form !== 'embedded') return;
    const questions = [
      'lakeside-register company',
      'lakeside-access presence of companies',
      'lakeside-parking permits of holders',
      'lakeside-parking open sessions',
      'lakeside-parking places',
    ];
    for (const name of questions) expect(told.get(name), name).toBe(1);
    // Other calls are those of jobs by the clock.
    const others = [...told.keys()].filter((name) => !questions.includes(name));
    expect(others.filter((name) => !/ poll:? | check$/.test(name))).toEqual([]);
  });

  test('every operation of the explorer answers without errors', async () => {
    const files = readdirSync(join(import.meta.dirname, '..', 'gateway', 'explorer', 'operations')).filter((one) =>
      one.endsWith('.graphql'),
    );
    expect(files.length).toBeGreaterThanOrEqual(6);
    for (const file of files) {
      const text = operation(file.replace('.graphql', ''));
      if (/^subscription/m.test(text)) continue;
      const answer = await whole.ask(text, { uscc: codes[0], id: 'lakeside', ...span() });
      expect(answer.errors, file).toBeUndefined();
    }
  });

  test('Company360 is filled in every field for at least one company', async () => {
    await until('a company with every field', 60, async () => {
      // A few at a time: forty at once in seven processes are a question of the machine's speed.
      const answers: Answer[] = [];
      for (let i = 0; i < codes.length; i += 5) {
        answers.push(...(await Promise.all(codes.slice(i, i + 5).map((code) => company360(code)))));
      }
      expect(answers.flatMap((one) => one.errors ?? [])).toEqual([]);
      const sets = answers.map(({ data }) => {
        const company = data.company;
        // A session is there only for the cars that are parked now; buckets have gaps by nature.
        const parked = company.vehicles.nodes.some((one: { session: unknown }) => one.session);
        const measured = company.energy.buckets.some((one: { value: unknown }) => one.value);
        const rest = holes({ ...company, vehicles: company.vehicles.nodes.length, energy: company.energy.total });
        return [
          ...rest.filter((one) => !/recordedAt$/.test(one)),
          ...(parked ? [] : ['session']),
          ...(measured ? [] : ['energy']),
        ];
      });
      const best = sets.reduce((a, b) => (b.length < a.length ? b : a));
      if (best.length > 0) throw new Error(`nearest lacks ${best.join(', ')}`);
      return true;
    });
  }, 90_000);

  /** States by source, as the three ways tell them. */
  const states = async () => {
    const ready = (await (await fetch(`${whole.url}/readyz`)).json()) as { sources: { id: string; state: string }[] };
    const metrics = await (await fetch(`${whole.url}/metrics`)).text();
    const { data } = await whole.ask('{ sources { id state reason } }');
    const byId = (all: { id: string; state: string }[]) =>
      Object.fromEntries(all.map((one) => [one.id, one.state]).sort());
    const up = { 1: 'UP', 0.5: 'DEGRADED', 0: 'DOWN' } as Record<string, string>;
    const gauges = [...metrics.matchAll(/^isthmus_source_up\{source="([^"]+)"\} (\S+)$/gm)];
    return {
      readyz: byId(ready.sources),
      metrics: byId(gauges.map(([, id = '', value = '']) => ({ id, state: up[value] ?? value }))),
      graph: byId(data.sources),
      reasons: Object.fromEntries(data.sources.map((one: { id: string; reason: string }) => [one.id, one.reason])),
    };
  };

  test('/readyz, /metrics and sources name the same sources, in the same states', async () => {
    await until('all three agree', 30, async () => {
      const { readyz, metrics, graph } = await states();
      expect(Object.keys(graph).length).toBeGreaterThanOrEqual(islands.length);
      expect([readyz, metrics]).toEqual([graph, graph]);
      return true;
    });
  });

  test.runIf(form === 'scale-out')(
    'a connector that is killed is DOWN in all three, and UP when it has come back',
    async () => {
      await whole.killConnector('parking');
      await until('all three say DOWN', 30, async () => {
        const { readyz, metrics, graph, reasons } = await states();
        expect([readyz, metrics, graph].map((one) => one['lakeside-parking'])).toEqual(['DOWN', 'DOWN', 'DOWN']);
        expect(reasons['lakeside-parking']).toBe('cannot be asked: the process of its connector does not answer');
        return true;
      });
      await whole.startConnector('parking');
      await until('all three say UP', 30, async () => {
        const { readyz, metrics, graph } = await states();
        expect([readyz, metrics, graph].map((one) => one['lakeside-parking'])).toEqual(['UP', 'UP', 'UP']);
        return true;
      });
    },
    90_000,
  );

  test('Live delivers events of four islands, and resumes behind a cursor without gap or repetition', async () => {
    const live = whole.listen(operation('Live'));
    const kinds = await until('events of four islands', 60, () => {
      const events = live.deliveries.flatMap((one) => one.data?.events?.events ?? []);
      const islandsSeen = new Set(events.map((one: { kind: string }) => ISLAND_OF[one.kind]));
      return islandsSeen.size >= 4 ? events : null;
    });
    live.stop();
    const errors = live.deliveries.flatMap((one) => one.errors ?? (one.error ? [one.error] : []));
    expect(errors).toEqual([]);
    const cursor = kinds[0].cursor as string;
    const again = whole.listen(operation('Live'), { after: cursor });
    const resumed = await until('the same events again', 20, () => {
      const events = again.deliveries.flatMap((one) => one.data?.events?.events ?? []);
      return events.length >= kinds.length - 1 ? events : null;
    });
    again.stop();
    const ids = resumed.map((one: { id: string }) => one.id);
    expect(ids.slice(0, kinds.length - 1)).toEqual(kinds.slice(1).map((one: { id: string }) => one.id));
    expect(new Set(ids).size).toBe(ids.length);
    const history = await whole.ask(operation('History'), { first: 5, after: cursor });
    expect(history.data.events.nodes[0].id).toBe(ids[0]);
  }, 120_000);

  test.each(islands.map((one) => one.name))(
    '%s goes dark: what was last read of it is shown and marked, the rest stands, and it heals',
    async (name) => {
      const before = await company360(codes[0] as string);
      const { sources } = (await whole.ask(operation('Sources'))).data as { sources: { id: string; system: string }[] };
      const own = sources.filter((one) => one.system === name).map((one) => one.id);
      const shown = LIVE_FIELDS[name] ?? name;
      const proved = name !== 'energy' && name !== 'parking';
      await whole.stopSimulator(name);
      try {
        const dark = await until('the island is dark', 15, async () => {
          const started = performance.now();
          const answer = await company360(codes[0] as string);
          expect(performance.now() - started).toBeLessThan(3_500);
          // Only the dark one: another may still be waking from the test before.
          const marked = (answer.extensions?.sources ?? []).map((one: { source: string }) => one.source);
          if (marked.length === 0 || !marked.every((one: string) => own.includes(one))) return null;
          // A mirror's source may go dark in the middle of an answer: marked, and the value read a moment before.
          return proved && !answer.data.company?.[shown]?.provenance.stale ? null : answer;
        });
        const company = dark.data.company;
        expect(company.name).toBe(before.data.company.name);
        expect(dark.errors).toBeUndefined();
        expect(dark.extensions.sources.map((one: { state: string }) => one.state)).toEqual(['stale']);
        if (name === 'energy') expect(company.meters.nodes.length).toBe(before.data.company.meters.nodes.length);
        else if (proved) expect(company[shown].provenance.stale).toBe(true);
        for (const [other, field] of Object.entries(LIVE_FIELDS)) {
          expect(company[field], field).not.toBeNull();
          if (other !== name) expect(company[field].provenance?.stale ?? false, field).toBe(false);
        }
      } finally {
        await whole.startSimulator(name);
      }
      await until('it heals', 15, async () => {
        const { errors, extensions } = await company360(codes[0] as string);
        const sources = (await whole.ask(operation('Sources'))).data.sources as { system: string; state: string }[];
        const own = sources.filter((one) => one.system === name).map((one) => one.state);
        return errors === undefined && extensions?.sources === undefined && own.every((state) => state === 'UP');
      });
    },
    60_000,
  );

  test('no rights, no answer: a caller who may not, gets null and the reason', async () => {
    const answer = await whole.hub.operations.run({
      query: '{ events(first: 1) { nodes { id } } parks { id } }',
      principal: null,
      signal: new AbortController().signal,
    });
    expect(answer.data).toEqual({ events: null, parks: [{ id: 'lakeside' }] });
    expect(answer.errors?.map((one) => one.extensions?.['code'])).toEqual(['UNAUTHENTICATED']);
  });

  test('odd values that have their form are no fault of the hub, wherever the graph takes them', async () => {
    const { schema } = whole.hub.operations;
    const before = whole.log.length;
    const found: string[] = [];
    for (const place of places(schema)) {
      if (place.root !== 'query') continue;
      for (const argument of place.field.args) {
        const query = documentOf(place, argument);
        for (const v of odd(argument.type)) {
          const { errors = [] } = await whole.ask(query, { v });
          for (const { message, extensions } of errors) {
            if (extensions['code'] === 'INTERNAL') found.push(`${query} ${JSON.stringify(v).slice(0, 80)}: ${message}`);
          }
        }
      }
    }
    expect(found).toEqual([]);
    const lines = whole.log.slice(before).filter((line) => /"level":("error"|50)/.test(line));
    expect(lines).toEqual([]);
  }, 120_000);

  test('health, readiness and metrics', async () => {
    expect((await fetch(`${whole.url}/healthz`)).status).toBe(200);
    const ready = await fetch(`${whole.url}/readyz`);
    expect(ready.status).toBe(200);
    expect(await (await fetch(`${whole.url}/metrics`)).text()).toContain('isthmus_log_position');
  });
});

/** Values at the edge of what each type takes, each alone in what is otherwise ordinary. */
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
    right(bare),
    ...Object.values(bare.getFields()).flatMap((field) =>
      odd(field.type).map((one) => ({ ...(right(bare) as object), [field.name]: one })),
    ),
  ];
}

const ISLAND_OF: Record<string, string> = {
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
