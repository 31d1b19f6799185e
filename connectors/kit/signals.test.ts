import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'])(
  'signals: %s that arrives while handlers are replaced is not lost',
  (signal) => {
    const script = `
    import { handleSignals } from ${JSON.stringify(new URL('./signals.ts', import.meta.url).pathname)};
    setTimeout(() => process.exit(1), 5_000);
    process.on(${JSON.stringify(signal)}, () => console.log('replaced'));
    process.kill(process.pid, ${JSON.stringify(signal)});
    handleSignals((received) => {
      console.log(received);
      process.exit(0);
    });`;
    const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: `${signal}\n` });
  },
);
