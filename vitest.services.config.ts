import { defineConfig, mergeConfig } from 'vitest/config';
import base from './vitest.config.ts';

const config = mergeConfig(
  base,
  defineConfig({ test: { testTimeout: 120_000, hookTimeout: 120_000, fileParallelism: false, isolate: true } }),
);
config.test = { ...config.test, include: ['tests/services/**/*.test.ts'], exclude: ['node_modules/**', 'dist/**'] };

export default config;
