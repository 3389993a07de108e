/**
 * A program of its own for tests of the isolation of detectors: a report on the sample by three detectors, of which the one in
 * the middle throws, loops or allocates without end and never asks its budget. Prints checks and findings as JSON.
 */
import { join } from 'node:path';
import { unlimited } from '../../src/base/budget.ts';
import { guard } from '../../src/cli/guard.ts';
import { runReport } from '../../src/cli/report-run.ts';
import { diagnose } from '../../src/diagnosis/engine.ts';
import { type AnyDetector, defineDetector } from '../../src/model/diagnosis.ts';
import { openProgram } from '../../src/program/open.ts';
import { stuckHolder } from './report.ts';

const SAMPLE = join(import.meta.dirname, '../../samples/hung-6.1.vmcore');

function detector(id: string, run: () => void): AnyDetector {
  return defineDetector({
    id,
    title: id,
    summary: '',
    needs: {},
    appliesTo: () => true,
    run() {
      run();
      return [stuckHolder({ detector: id, cause: id })];
    },
  });
}

const BAD: { readonly [kind: string]: () => void } = {
  throws() {
    throw new TypeError('x is undefined');
  },
  loops() {
    for (;;);
  },
  allocates() {
    for (const kept: unknown[] = []; ; ) kept.push(Array.from({ length: 10_000 }, (_, i) => i));
  },
};

const bad = BAD[process.argv[2] ?? ''];
if (bad === undefined) throw new Error('it is not known how to fail');
const detectors = [detector('before', () => {}), detector('bad', bad), detector('after', () => {})];
const report = runReport(
  {
    open(paths) {
      const program = openProgram(paths);
      return {
        diagnose: (budget, ended) => diagnose(program, budget, detectors, ended),
        close: () => program.close(),
      };
    },
  },
  {
    paths: [SAMPLE],
    budget: unlimited,
    guard,
    hardLimit: undefined,
    onStep: () => {},
    // A busy machine allocates slowly.
    limits: { memory: 200 * 2 ** 20, step: process.argv[2] === 'allocates' ? 600_000 : 1500 },
  },
);
console.log(JSON.stringify({ checks: report.checks, causes: report.findings.map(({ cause }) => cause) }));
