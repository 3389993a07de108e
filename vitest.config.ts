import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'tools/**/*.test.ts'],
    reporters: ['default', './tools/count-reporter.ts'],
    testTimeout: 60_000,
    pool: 'threads',
  },
});
