/**
 * 108 malformed headers through the command line: one clear line and status 3, or a report that says what is wrong and
 * status 1. Never a crash, a hang, or 200 MB.
 */
import { describe, expect, it } from 'vitest';
import { tempFolder } from '../builders/temp-folder.ts';
import { makeBases } from './bases.ts';
import type { MalformedCase } from './case.ts';
import type { JobResult } from './child.ts';
import { crashHeaders } from './crash-headers.ts';
import { ourHeaders } from './our-headers.ts';
import { type BaseFiles, runCases } from './run.ts';

const MOST_BYTES = 200 * 2 ** 20;

interface Json {
  readonly schema: string;
  readonly complete: boolean;
  readonly problems: readonly string[];
  readonly coverage: readonly { readonly missing: readonly string[] }[];
}

/** What is wrong with the answer; undefined when it is as it must be. */
function objection({ name, status, says }: MalformedCase, result: JobResult | undefined): string | undefined {
  const problem = (what: string): string => `${name}: ${what}`;
  if (result?.name !== name) return problem(`the answer is to ${result?.name}`);
  if (result.status !== status) return problem(`status ${result.status}, not ${status}: ${result.err}`);
  if (!(result.peak < MOST_BYTES)) return problem(`took ${result.peak} bytes`);
  if (/[^\n\x20-\x7e]/.test(result.err + result.out)) return problem('control characters in the output');
  if (status === 3) {
    if (result.out !== '') return problem('prints something though there is no report');
    if (!/^kwhy: [^\n]+\n$/.test(result.err)) return problem(`more or less than one line: ${result.err}`);
    return says.test(result.err) ? undefined : problem(`says: ${result.err}`);
  }
  const report = JSON.parse(result.out) as Json;
  if (result.err !== '' || report.schema !== 'kwhy-report') return problem('is no report');
  if (report.complete !== (status === 0)) return problem('complete and the status contradict each other');
  const said = [...report.problems, ...report.coverage.flatMap(({ missing }) => missing)].join('\n');
  return says.test(said) ? undefined : problem(`says: ${said}`);
}

/** Runs them, and lists what was not as it must be. */
function objections(cases: readonly MalformedCase[], bases: BaseFiles): string[] {
  const results = runCases(cases, bases, tempFolder());
  return cases.map((wanted, i) => objection(wanted, results[i])).filter((wrong) => wrong !== undefined);
}

describe('malformed headers', () => {
  it('39 that crash was given', () => {
    const cases = crashHeaders();
    expect(new Set(cases.map(({ name }) => name)).size).toBe(39);
    expect(objections(cases, {})).toEqual([]);
  });

  it('69 of our own', () => {
    const bases = makeBases();
    const cases = ourHeaders(bases);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(69);
    expect(objections(cases, bases.files)).toEqual([]);
  });
});
