import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Dependencies load graphql's main entry, our sources its module entry: two realms meet unless both take this one.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['{gateway,connectors,schema,migrations,tests}/**/*.test.ts'],
    exclude: ['tests/services/**', 'node_modules/**', 'dist/**'],
    globalSetup: ['tests/global.ts'],
    setupFiles: ['tests/setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // What is waited for comes when it comes: vitest's own second is the machine's, not the code's.
    expect: { poll: { timeout: 20_000 } },
    // One worker for each core: by default one core is left idle, which of two is half.
    maxWorkers: '100%',
  },
});
