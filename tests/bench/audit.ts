/** Writes an audit export with a million entries, verifies it and prints the time. Run: `npm run bench:audit [entries]`. */
import { createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { verifyExportFile } from '../../gateway/trust/audit/export/verification-report.ts';
import { writeTestExport } from '../../gateway/trust/audit/testing/export-fixture.ts';
import { generateSigningKey } from '../../gateway/trust/signing/signing-key.ts';

const entries = Number(process.argv[2] ?? 1_000_000);
const directory = mkdtempSync(join(tmpdir(), 'isthmus-audit-'));
try {
  const key = generateSigningKey();
  const print = (text: string) => void process.stdout.write(`${text}\n`);
  let isValid = true;
  for (const digest of ['sha256', 'sm3'] as const) {
    const file = join(directory, `${digest}.jsonl`);
    const stream = createWriteStream(file);
    const chains = [1, 2, 3, 4].map((n) => ({ chain: `${digest}-${n}`, entries: Math.ceil(entries / 4), digest }));
    await writeTestExport(
      key,
      chains,
      (text) =>
        new Promise((resolve) => {
          if (stream.write(text)) resolve();
          else stream.once('drain', resolve);
        }),
      1_000,
    );
    stream.end();
    await finished(stream);
    print(`${digest}: ${(statSync(file).size / 1024 / 1024).toFixed(0)} MiB`);
    const before = process.cpuUsage();
    isValid = (await verifyExportFile(file, { trusted: [key.id] }, print)) && isValid;
    const used = process.cpuUsage(before);
    print(`CPU ${((used.user + used.system) / 1_000_000).toFixed(1)} s.`);
    print(`Peak memory: ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB.`);
    rmSync(file);
  }
  if (!isValid) process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
