/**
 * What writing down who reads costs: Company360 with and without the audit log, in turns, over the demo's simulators and a database
 * that syncs to disk. `npm run bench:audit-overhead [seconds]`.
 */
import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../connectors/kit/log.ts';
import { createFederation } from '../../gateway/federation/index.ts';
import { Operations } from '../../gateway/operation.ts';
import { readSupergraph } from '../../gateway/pictures.ts';
import { Audit } from '../../gateway/trust/audit.ts';
import { AuditLog } from '../../gateway/trust/audit-log.ts';
import { readWatch } from '../../gateway/trust/audit-watch.ts';
import { readPolicy } from '../../gateway/trust/policy.ts';
import { anonymousPrincipal } from '../../gateway/trust/principal.ts';
import { newSigningKey } from '../../gateway/trust/sign-key.ts';
import { startEmbedded } from '../../schema/database/embedded.ts';
import { operation, until, wholeHub } from '../hub.ts';

const seconds = Number(process.argv[2] ?? 20);
const say = (text: string) => void process.stdout.write(`${text}\n`);
const directory = mkdtempSync(join(tmpdir(), 'isthmus-overhead-'));
const cluster = await startEmbedded({ directory, listen: { host: '127.0.0.1', port: 0 } });
process.env['ISTHMUS_TEST_CLUSTER'] = cluster.url;
const whole = await wholeHub('embedded');
try {
  const uscc = whole.world.companies[0]?.uscc ?? '';
  const variables = {
    uscc,
    from: new Date(Date.now() - 86_400_000).toISOString(),
    to: new Date(Date.now() + 3_600_000).toISOString(),
  };
  const query = operation('Company360');
  await until('the company is known to all', 120, async () => {
    const { data, errors } = await whole.ask(query, variables);
    return !errors && data?.company?.tax && data.company.registration && data.company.energy?.total;
  });
  const supergraph = await readSupergraph();
  const watch = readWatch(supergraph);
  const subgraphs = new Map(whole.hub.islands.hosts().map((host) => [host.name, host.subgraph]));
  const log = await AuditLog.open({
    database: whole.hub.database,
    key: newSigningKey(),
    digest: 'sha256',
    clock: { now: () => new Date() },
    log: silentLog,
  });
  const policy = readPolicy(supergraph);
  const modes = {
    without: new Operations({ federation: createFederation({ supergraph, subgraphs, log: silentLog }), policy }),
    with: new Operations({
      federation: createFederation({ supergraph, subgraphs, log: silentLog, watch }),
      policy,
      audit: new Audit(watch, log),
    }),
  };
  const principal = anonymousPrincipal('developer');
  const { signal } = new AbortController();
  const took: Record<string, number[]> = { without: [], with: [] };
  const cpu: Record<string, number[]> = { without: [], with: [] };
  for (const clients of [1, 16]) {
    for (const name of Object.keys(took)) Object.assign(took, { [name]: [] }) && Object.assign(cpu, { [name]: [] });
    const end = Date.now() + (seconds * 1000) / 2;
    for (let round = 0; Date.now() < end || round < 6; round++) {
      for (const [name, operations] of Object.entries(modes)) {
        const before = process.cpuUsage();
        let done = 0;
        const until = performance.now() + 400;
        const client = async () => {
          while (performance.now() < until) {
            const began = performance.now();
            const answer = await operations.run({ query, variables, principal, signal });
            if (answer.errors) throw new Error(answer.errors[0]?.message);
            answer.text?.();
            if (round > 1) took[name]?.push(performance.now() - began);
            done++;
          }
        };
        await Promise.all(Array.from({ length: clients }, client));
        const used = process.cpuUsage(before);
        if (round > 1) cpu[name]?.push((used.user + used.system) / 1000 / done);
      }
    }
    const middle = (all: readonly number[] | undefined, at = 0.5): number =>
      [...(all ?? [])].sort((a, b) => a - b)[Math.floor((all?.length ?? 0) * at)] ?? 0;
    say(`${clients} at a time:`);
    for (const name of Object.keys(modes)) {
      say(
        `  ${name.padEnd(8)} ${took[name]?.length} answers, median ${middle(took[name]).toFixed(2)} ms, p95 ${middle(took[name], 0.95).toFixed(2)} ms, CPU ${middle(cpu[name]).toFixed(2)} ms each`,
      );
    }
    say(
      `  the log adds ${(middle(took['with']) - middle(took['without'])).toFixed(2)} ms (${(middle(took['with']) / middle(took['without'])).toFixed(2)} times) and ${(middle(cpu['with']) - middle(cpu['without'])).toFixed(2)} ms of CPU (${(middle(cpu['with']) / middle(cpu['without'])).toFixed(2)} times)`,
    );
  }
  await log.close();
} finally {
  await whole.close();
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
}
