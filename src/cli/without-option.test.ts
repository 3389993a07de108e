import { expect, test } from 'vitest';
import { fakeIo, runWith } from '../../test/builders/cli.ts';
import { SAMPLE } from '../../test/builders/sample.ts';
import { loadCore } from './core.ts';

const report = async (...options: readonly string[]) =>
  runWith([SAMPLE, '--json', ...options], fakeIo({}, await loadCore()));

interface Told {
  readonly complete: boolean;
  readonly problems: readonly string[];
  readonly unproven: readonly string[];
  readonly findings: readonly { readonly confidence: string }[];
}

test('without ORC stacks are scanned, which is said, and nothing is certain', async () => {
  const { status, out } = await report('--without', 'orc');
  const told = JSON.parse(out) as Told;
  expect(status).toBe(1);
  expect(told.problems.join()).toContain('there are no unwind tables (ORC) that can be used');
  expect(told.unproven).toContain('stacks of tasks: found by a scan for calls that fit');
  expect(told.findings.length).toBeGreaterThan(0);
  expect(told.findings.filter(({ confidence }) => confidence === 'certain')).toEqual([]);
});

test('in the shell each frame says how it was found', async () => {
  const bt = async (...options: readonly string[]): Promise<readonly string[]> => {
    const { out } = await runWith(['run', SAMPLE, '--no-rc', '-c', 'bt 96', ...options], fakeIo());
    return [...out.matchAll(/^ *#\d+ .*$/gm)].map(([line]) => line);
  };
  const scanned = await bt('--without', 'orc');
  const plain = await bt();
  expect(plain.length).toBeGreaterThan(8);
  expect(plain.join()).not.toContain('(');
  expect(scanned.filter((line) => line.endsWith('(scan)')).length).toBeGreaterThan(5);
  // The code that is at the very end of the stack is not in the sample, which was made small.
  expect(scanned.map((line) => line.replace(/ \([a-z-]+\)$/, ''))).toEqual(plain.slice(0, scanned.length));
});

test('without BTF only what takes no types is told', async () => {
  const told = JSON.parse((await report('--without', 'btf')).out) as Told;
  expect(told.problems.join()).toContain("without the kernel's types");
});

test('other names are none', async () => {
  for (const name of ['dwarf', 'btf,'])
    expect(await report(`--without=${name}`)).toMatchObject({
      status: 2,
      err: expect.stringContaining('must be btf, orc, or both') as unknown,
    });
});
