import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{src,examples,test,tools,bench,lab,fuzz,oracle}/**/*.test.ts'],
    reporters: ['default', './tools/count-reporter.ts'],
    pool: 'threads',
    // No module keeps state (tools/check-layers.ts sees to that), so test files can share a worker.
    isolate: false,
    // Far above what any test needs: a slow machine fails nothing. A minute was too little for two that start processes, on
    // two cores with twenty others at work.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    allowOnly: false,
  },
});
