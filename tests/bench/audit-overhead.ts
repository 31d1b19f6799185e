/**
 * Measures the cost of the audit log: Company360 with and without it, in alternation, with the demo's simulators and a database
 * that syncs to disk. Run: `npm run bench:audit-overhead [seconds]`.
 */
import 'reflect-metadata';
import { join } from 'node:path';
import { systemClock } from '../../connectors/kit/clock.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { createFederation } from '../../gateway/federation/index.ts';
import { Operations } from '../../gateway/operation/operations.ts';
import { AccessRecorder } from '../../gateway/trust/audit/access-recorder.ts';
import { AuditLog } from '../../gateway/trust/audit/audit-log.ts';
import { HeadFileWriter } from '../../gateway/trust/audit/head-file-writer.ts';
import { readProtectedFields } from '../../gateway/trust/audit/protected-fields.ts';
import { readFieldPolicy } from '../../gateway/trust/rights/field-policy.ts';
import { generateSigningKey } from '../../gateway/trust/signing/signing-key.ts';
import { quantile, withCompany360 } from './company360.ts';

/** Measures the head file alone: one synced line before each commit, and one after it. */
async function headCost(folder: string): Promise<void> {
  const clock = systemClock;
  const parts = { key: generateSigningKey(), clock, log: silentLog };
  const place = { number: 0, hash: '0'.repeat(64) };
  const first = { chain: 'bench', after: 0, previous: place.hash, ...place };
  const heads = await HeadFileWriter.open({ folder, second: null }, 'bench', first, parts);
  const took: number[] = [];
  const before = process.cpuUsage();
  for (let number = 1; number <= 500; number++) {
    const began = performance.now();
    await heads.writeHead({ ...first, after: number - 1, number });
    await heads.confirm({ ...place, number });
    took.push(performance.now() - began);
  }
  const used = process.cpuUsage(before);
  const cpu = (used.user + used.system) / 1000 / took.length;
  print(`head file alone: median ${quantile(took).toFixed(2)} ms per write, CPU ${cpu.toFixed(2)} ms`);
  await heads.close();
}

const seconds = Number(process.argv[2] ?? 20);
const print = (text: string) => void process.stdout.write(`${text}\n`);
await withCompany360(async ({ testHub, supergraph, subgraphs, request }) => {
  const watch = readProtectedFields(supergraph);
  const log = await AuditLog.open({
    database: testHub.hub.database,
    key: generateSigningKey(),
    digest: 'sha256',
    clock: systemClock,
    log: silentLog,
    heads: { folder: join(testHub.data, 'bench-heads'), second: null },
  });
  const policy = readFieldPolicy(supergraph);
  const modes = {
    without: new Operations({ federation: createFederation({ supergraph, subgraphs, log: silentLog }), policy }),
    with: new Operations({
      federation: createFederation({ supergraph, subgraphs, log: silentLog, protectedFields: watch }),
      policy,
      audit: new AccessRecorder(watch, log),
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
            answer.json?.();
            if (round > 1) took[name]?.push(performance.now() - began);
            done++;
          }
        };
        await Promise.all(Array.from({ length: clients }, client));
        const used = process.cpuUsage(before);
        if (round > 1) cpu[name]?.push((used.user + used.system) / 1000 / done);
      }
    }
    print(`${clients} concurrent:`);
    for (const name of Object.keys(modes)) {
      print(
        `  ${name.padEnd(8)} ${took[name]?.length} responses, median ${quantile(took[name]).toFixed(2)} ms, p95 ${quantile(took[name], 0.95).toFixed(2)} ms, CPU ${quantile(cpu[name]).toFixed(2)} ms each`,
      );
    }
    print(
      `  the audit log adds ${(quantile(took['with']) - quantile(took['without'])).toFixed(2)} ms (${(quantile(took['with']) / quantile(took['without'])).toFixed(2)} times) and ${(quantile(cpu['with']) - quantile(cpu['without'])).toFixed(2)} ms of CPU (${(quantile(cpu['with']) / quantile(cpu['without'])).toFixed(2)} times)`,
    );
  }
  await log.close();
  await headCost(join(testHub.data, 'bench-heads'));
});
