/**
 * Measures the CPU time of one request in running hubs with an embedded database, in alternation: of the hub's process and of all
 * processes of its database. For two checkouts of Isthmus, start both and give the port and the process of each:
 * `npx tsx tests/bench/hub-cpu.ts [--rounds 5] [--seconds 6] before=4801:PID after=4802:PID`. Linux only.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { generateLoad } from '../../gateway/bench/load-generator.ts';

const TICKS_PER_SECOND = 100;
const OPERATIONS = new URL('../../gateway/explorer/operations/', import.meta.url);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '6' } },
});
const hubs = positionals.map((text) => {
  const [, name = '', port = '', pid = ''] = /^(.+)=(\d+):(\d+)$/.exec(text) ?? [];
  return { name, port: Number(port), pid: Number(pid) };
});
type Target = (typeof hubs)[number];

const stat = (pid: number): { parent: number; cpu: number } | null => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(fields[1]), cpu: ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1_000 };
  } catch {
    return null;
  }
};
const processes = (): Map<number, { parent: number; cpu: number }> =>
  new Map(
    readdirSync('/proc').flatMap((name) => {
      const found = /^\d+$/.test(name) ? stat(Number(name)) : null;
      return found ? [[Number(name), found] as const] : [];
    }),
  );

/** Milliseconds of CPU since the processes started. A backend that ended is counted by its parent. */
function cpuOf({ pid }: Target): { hub: number; database: number } {
  const all = processes();
  const servers = [...all].flatMap(([one, { parent }]) =>
    parent === pid && readFileSync(`/proc/${one}/cmdline`, 'utf8').includes('postgres') ? [one] : [],
  );
  const database = [...all].filter(([one, { parent }]) => servers.includes(one) || servers.includes(parent));
  return { hub: all.get(pid)?.cpu ?? 0, database: database.reduce((sum, [, { cpu }]) => sum + cpu, 0) };
}

async function bodiesOf({ port }: Target): Promise<Record<string, string[]>> {
  const send = async (query: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    return (await answer.json()) as { data: { companies: { nodes: { uscc: string }[] } } };
  };
  const { data } = await send('{ companies(first: 100) { nodes { uscc } } }');
  const [from, to] = [-86_400_000, 3_600_000].map((offset) => new Date(Date.now() + offset).toISOString());
  const body = (name: string, variables: object) =>
    JSON.stringify({ query: readFileSync(new URL(`${name}.graphql`, OPERATIONS), 'utf8'), variables });
  return {
    Company360: data.companies.nodes.map(({ uscc }) => body('Company360', { uscc, from, to })),
    'Companies(10)': [body('Companies', { first: 10 })],
  };
}

const idle = async (of: Target, milliseconds: number) => {
  const before = cpuOf(of);
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  const after = cpuOf(of);
  return { hub: (after.hub - before.hub) / milliseconds, database: (after.database - before.database) / milliseconds };
};

const median = (all: number[]): number => all.sort((a, b) => a - b)[all.length >> 1] ?? 0;
const milliseconds = Number(values.seconds) * 1_000;
const bodies = new Map<Target, Record<string, string[]>>();
const idles = new Map<Target, { hub: number; database: number }>();
for (const target of hubs) {
  bodies.set(target, await bodiesOf(target));
  for (const list of Object.values(bodies.get(target) ?? {})) await generateLoad(target.port, list, milliseconds / 2);
  idles.set(target, await idle(target, milliseconds));
}
for (const operation of ['Company360', 'Companies(10)']) {
  const found = new Map<Target, { hub: number[]; database: number[]; rate: number[] }>(
    hubs.map((target) => [target, { hub: [], database: [], rate: [] }]),
  );
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const target of hubs) {
      const before = cpuOf(target);
      const startedAt = performance.now();
      const load = await generateLoad(target.port, bodies.get(target)?.[operation] ?? [], milliseconds);
      const took = performance.now() - startedAt;
      const after = cpuOf(target);
      const base = idles.get(target) ?? { hub: 0, database: 0 };
      if (load.failures > 0) {
        process.stdout.write(
          `${target.name}: ${load.failures} of ${load.requests} requests failed; the round is ignored\n`,
        );
        continue;
      }
      const result = found.get(target);
      result?.hub.push((after.hub - before.hub - base.hub * took) / load.requests);
      result?.database.push((after.database - before.database - base.database * took) / load.requests);
      result?.rate.push(load.rate);
    }
  }
  for (const [target, { hub, database, rate }] of found)
    process.stdout.write(
      `${operation.padEnd(14)} ${target.name.padEnd(8)} hub ${median(hub).toFixed(2)} ms, database ${median(database).toFixed(2)} ms, ${median(rate).toFixed(0)} requests a second\n`,
    );
}
