import { describe, expect, it } from 'vitest';
import { closingLine, count, type CountedModule, succeeded } from './count-reporter.ts';

/** A test file as vitest reports it, from the states of its tests. */
function file(state: string, tests: readonly string[], errors: readonly unknown[] = []): CountedModule {
  return {
    state: () => state,
    errors: () => errors,
    children: { allTests: () => tests.map((one) => ({ result: () => ({ state: one }) })) },
  };
}

describe('count', () => {
  it('adds up the tests of all files', () => {
    const counts = count([file('failed', ['passed', 'failed', 'passed']), file('passed', ['passed', 'skipped'])], []);
    expect(counts).toEqual({ passed: 3, failed: 1, skipped: 1 });
    expect(closingLine(counts)).toBe('3 passed, 1 failed, 1 skipped');
    expect(succeeded(counts)).toBe(false);
  });

  it('counts a file that did not load, a hook that threw, and a stray error as failures', () => {
    expect(count([file('failed', [])], [])).toEqual({ passed: 0, failed: 1, skipped: 0 });
    expect(count([file('failed', ['passed'], [new Error('afterAll')])], [])).toMatchObject({ passed: 1, failed: 1 });
    expect(count([file('passed', ['passed'])], [new Error('stray')])).toMatchObject({ passed: 1, failed: 1 });
  });

  it('counts a test that never finished as failed', () => {
    expect(count([file('pending', ['passed', 'pending'])], [])).toMatchObject({ passed: 1, failed: 1 });
  });
});

describe('succeeded', () => {
  it('needs at least one test that passed', () => {
    expect(succeeded({ passed: 0, failed: 0, skipped: 0 })).toBe(false);
    expect(succeeded({ passed: 0, failed: 0, skipped: 3 })).toBe(false);
    expect(succeeded({ passed: 1, failed: 0, skipped: 0 })).toBe(true);
  });
});

describe('closingLine', () => {
  it('is the plain line when nothing was skipped', () => {
    expect(closingLine({ passed: 12, failed: 0, skipped: 0 })).toBe('12 passed, 0 failed');
  });
});
