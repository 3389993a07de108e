/**
 * The sample with pages and parts of the file lost or changed: the first finding stays, gets weaker or goes, and the
 * report says that something is missing. docs/damage.md has the same for many more dumps.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fakeIo, runWith } from '../../test/builders/cli.ts';
import { SAMPLE } from '../../test/builders/sample.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { loadCore } from '../../src/cli/core.ts';
import { compare, type ComparedReport } from './compare.ts';
import { FILE_DAMAGES, writeDamaged } from './files.ts';
import { runPages } from './run-pages.ts';

describe('the sample with damaged pages', () => {
  const results = runPages('sample', SAMPLE, (percent) => (percent === 1 ? 2 : percent === 20 ? 1 : 0));
  const cases = results.map((result) => [result.kind, result.percent, result.seed, result] as const);

  it.each(cases)('%s, %d %% (%d): no other finding, marked as partial', (_kind, _percent, _seed, result) => {
    expect(['right', 'weaker', 'absent']).toContain(result.outcome);
    expect(result.internal).toEqual([]);
    expect(result.partial).toBe(true);
  });

  it('still tells the cause in most cases where one page in a hundred is damaged', () => {
    const few = results.filter(({ percent }) => percent === 1);
    const told = few.filter(({ outcome }) => outcome === 'right' || outcome === 'weaker');
    expect(few.length).toBe(10);
    expect(told.length).toBeGreaterThan(few.length / 2);
  });
});

describe.each([
  ['plain', false],
  ['flattened', true],
] as const)('the sample, %s, with the file', (_form, flattened) => {
  const run = async (
    file: string,
  ): Promise<{ readonly status: number; readonly report: ComparedReport; text: string }> => {
    const { status, out, err } = await runWith([file, '--json'], fakeIo({}, await loadCore()));
    return { status, report: out === '' ? {} : (JSON.parse(out) as ComparedReport), text: out + err };
  };
  const cuts = FILE_DAMAGES.filter(({ name }) => name.startsWith('cut'));

  it.each(cuts.map((damage) => [damage.name, damage] as const))('%s', async (_name, damage) => {
    const path = tempFolder()('vmcore');
    const sound = await run(SAMPLE);
    writeDamaged(SAMPLE, flattened, damage, path);
    const { status, report, text } = await run(path);
    // Not 0, not an error of kwhy itself: a report, or one line that says why there is none.
    const said = status === 3 ? /^kwhy: .+\n$/.test(text) : report.complete === false;
    expect({ status: [1, 3].includes(status), said }).toEqual({ status: true, said: true });
    expect(['right', 'weaker', 'absent']).toContain(compare(report, sound.report).outcome);
    const beyond = (report.coverage ?? []).filter(({ read, total }) => typeof total === 'number' && read > total);
    expect(beyond).toEqual([]);
  });

  it('cut at its last byte, still tells the cause', async () => {
    const path = tempFolder()('vmcore');
    const last = { name: 'last byte', apply: (sound: Uint8Array) => sound.subarray(0, -1) };
    writeDamaged(SAMPLE, flattened, last, path);
    expect(readFileSync(path).length).toBeGreaterThan(1e6);
    const { report } = await run(path);
    expect(report.findings?.[0]?.cause).toBe('lock-holder-stuck-in-own-userfaultfd');
  });
});

describe('the comparison of two reports', () => {
  const of = (cause: string, role: string, pid: number, lock: string, more: object = {}) => ({
    findings: [
      {
        cause,
        role,
        confidence: 'certain',
        weight: 5,
        details: { holder: { task: { pid, comm: 'ps' } }, lock },
        ...more,
      },
    ],
  });
  const sound = of('lock-holder-stuck-in-own-userfaultfd', 'cause', 7, '0x10');

  it.each([
    ['the same', sound, 'right'],
    ['fewer tasks', of('lock-holder-stuck-in-own-userfaultfd', 'cause', 7, '0x10', { weight: 3 }), 'weaker'],
    [
      'less certain',
      of('lock-holder-stuck-in-own-userfaultfd', 'cause', 7, '0x10', { confidence: 'possible' }),
      'weaker',
    ],
    ['a lesser cause', of('lock-holder-stuck', 'cause', 7, '0x10'), 'weaker'],
    ['only a note', of('lock-queue', 'context', 7, '0x10'), 'weaker'],
    ['nothing', { findings: [] }, 'absent'],
    ['another holder', of('lock-holder-stuck', 'cause', 8, '0x10'), 'wrong'],
    ['another lock', of('lock-holder-stuck-in-own-userfaultfd', 'cause', 7, '0x20'), 'wrong'],
    ['another cause', of('slab-leak', 'cause', 7, '0x10'), 'wrong'],
    ['a deadlock that was none', of('lock-cycle', 'cause', 7, '0x10'), 'wrong'],
  ])('calls %s so', (_what, damaged, outcome) => {
    expect(compare(damaged, sound).outcome).toBe(outcome);
  });

  it('lets nothing appear where nothing was', () => {
    expect(compare(sound, { findings: [] }).outcome).toBe('wrong');
    expect(compare({ findings: [] }, { findings: [] }).outcome).toBe('right');
  });
});
