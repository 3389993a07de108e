/**
 * A vitest reporter that closes the run with the line `N passed, N failed` (and `, N skipped` if any were).
 *
 * The line is written when the process ends, so that nothing comes after it. A file that could not be loaded and an
 * error outside of any test each count as a failure; a run without a single test fails.
 */
import { writeSync } from 'node:fs';
import type { Reporter } from 'vitest/node';

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What is counted of a test file; vitest's `TestModule` is one. */
export interface CountedModule {
  state(): string;
  errors(): readonly unknown[];
  readonly children: { allTests(): Iterable<{ result(): { state: string } }> };
}

/** Counts the tests of all files; `stray` are the errors that happened outside of them. */
export function count(modules: readonly CountedModule[], stray: readonly unknown[]): Counts {
  let passed = 0;
  let failed = stray.length;
  let skipped = 0;
  for (const module of modules) {
    let failedHere = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') passed += 1;
      else if (state === 'skipped') skipped += 1;
      // A test still pending when the run is over did not pass.
      else failedHere += 1;
    }
    // A file may fail as a whole: it did not load, or a hook threw.
    if (failedHere === 0 && (module.state() === 'failed' || module.errors().length > 0)) failedHere = 1;
    failed += failedHere;
  }
  return { passed, failed, skipped };
}

/** The closing line, without its line feed. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** Whether the run counts as a success: something passed and nothing failed. */
export function succeeded({ passed, failed }: Counts): boolean {
  return passed > 0 && failed === 0;
}

export default class CountReporter implements Reporter {
  private counts: Counts = { passed: 0, failed: 0, skipped: 0 };

  onInit(): void {
    process.once('exit', () => {
      if (!succeeded(this.counts)) process.exitCode = process.exitCode || 1;
      writeSync(1, `${closingLine(this.counts)}\n`);
    });
  }

  onTestRunEnd(modules: readonly CountedModule[], stray: readonly unknown[]): void {
    this.counts = count(modules, stray);
  }
}
