/**
 * What writing down who reads costs: Company360 with and without the audit log, in turns, over the demo's simulators and a database
 * that syncs to disk. `npm run bench:audit-overhead [seconds]`.
 */
import 'reflect-metadata';
import { join } from 'node:path';
import { systemClock } from '../../connectors/kit/clock.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { createFederation } from '../../gateway/federation/index.ts';
import { Operations } from '../../gateway/operation/operations.ts';
import { Audit } from '../../gateway/trust/audit/access-recorder.ts';
import { AuditLog } from '../../gateway/trust/audit/audit-log.ts';
import { HeadWriter } from '../../gateway/trust/audit/head-file-writer.ts';
import { readWatch } from '../../gateway/trust/audit/protected-fields.ts';
import { readPolicy } from '../../gateway/trust/rights/field-policy.ts';
import { newSigningKey } from '../../gateway/trust/signing/signing-key.ts';
import { middle, onCompany360 } from './company360.ts';

/** The part of it that is the head file: a line that is synced before the commit, and one behind it. */
async function headCost(folder: string): Promise<void> {
  const clock = systemClock;
  const parts = { key: newSigningKey(), clock, log: silentLog };
  const place = { number: 0, hash: '0'.repeat(64) };
  const first = { chain: 'bench', after: 0, previous: place.hash, ...place };
  const heads = await HeadWriter.open({ folder, second: null }, 'bench', first, parts);
  const took: number[] = [];
  const before = process.cpuUsage();
  for (let number = 1; number <= 500; number++) {
    const began = performance.now();
    await heads.intend({ ...first, after: number - 1, number });
    await heads.confirm({ ...place, number });
    took.push(performance.now() - began);
  }
  const used = process.cpuUsage(before);
  const cpu = (used.user + used.system) / 1000 / took.length;
  say(`the head file alone: median ${middle(took).toFixed(2)} ms a write, CPU ${cpu.toFixed(2)} ms`);
  await heads.close();
}

const seconds = Number(process.argv[2] ?? 20);
const say = (text: string) => void process.stdout.write(`${text}\n`);
await onCompany360(async ({ whole, supergraph, subgraphs, request }) => {
  const watch = readWatch(supergraph);
  const log = await AuditLog.open({
    database: whole.hub.database,
    key: newSigningKey(),
    digest: 'sha256',
    clock: systemClock,
    log: silentLog,
    heads: { folder: join(whole.data, 'bench-heads'), second: null },
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
            const answer = await operations.run(request);
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
  await headCost(join(whole.data, 'bench-heads'));
});
