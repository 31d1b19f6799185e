import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Dependencies load graphql's CommonJS entry, our code its ES module entry; the alias makes both use the same instance.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['{gateway,connectors,schema,migrations,tests}/**/*.test.ts'],
    exclude: ['tests/services/**', 'node_modules/**', 'dist/**'],
    globalSetup: ['tests/global-setup.ts'],
    setupFiles: ['tests/setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // The files of a worker share its process and modules: importing the hub takes a second of CPU time per file.
    isolate: false,
    // vitest's default of one second is too short on a busy machine.
    expect: { poll: { timeout: 20_000 } },
    // One worker more than cores: tests of processes, sockets and timers wait for a third of their time.
    maxWorkers: availableParallelism() + 1,
  },
});
