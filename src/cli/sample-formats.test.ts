/**
 * The sample in every form that is read: the report is the same, but for what it says of the file. The compressors are
 * those of test/builders/lz.ts; real ones were compared outside (docs/formats.md).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { fakeIo, runWith } from '../../test/builders/cli.ts';
import { flattenedFile, recordsOf } from '../../test/builders/flattened.ts';
import type { KdumpSpec } from '../../test/builders/kdump-file.ts';
import { SAMPLE, sampleAs, sampleSpec } from '../../test/builders/sample.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { loadCore } from './core.ts';

interface Json {
  readonly complete: boolean;
  readonly problems: readonly string[];
  readonly findings: readonly { readonly cause: string }[];
  readonly system: { readonly [key: string]: unknown };
}

/** The report without what it says of the file, and that. */
interface Outcome {
  readonly status: number;
  readonly report: Json;
  readonly file: { readonly description?: string; readonly format?: string };
}

async function report(...paths: readonly string[]): Promise<Outcome> {
  const { status, out, err } = await runWith([...paths, '--json'], fakeIo({}, await loadCore()));
  expect(err).toBe('');
  const { system, ...rest } = JSON.parse(out) as Json;
  const { dump, ...others } = system;
  return { status, report: { ...rest, system: others }, file: dump as Outcome['file'] };
}

describe('the sample', () => {
  const made: { spec?: KdumpSpec; sample?: Outcome } = {};
  beforeAll(async () => {
    made.spec = sampleSpec();
    made.sample = await report(SAMPLE);
  });

  async function expectSame(description: RegExp, ...paths: readonly string[]): Promise<void> {
    const { status, report: found, file } = await report(...paths);
    expect(file.description).toMatch(description);
    expect({ status, found }).toEqual({ status: 0, found: made.sample?.report });
  }

  it.each(['lzo', 'snappy', 'zlib', 'none'] as const)('compressed with %s', async (compression) => {
    const path = tempFolder()('vmcore');
    writeFileSync(path, sampleAs({ compression }, made.spec));
    const called = compression === 'none' ? 'uncompressed' : compression;
    await expectSame(new RegExp(`^kdump-compressed v6, ${called}, dump level 31$`), path);
  });

  it.each([3, 4, 5])('with a header of version %i', async (version) => {
    const path = tempFolder()('vmcore');
    writeFileSync(path, sampleAs({ compression: 'zlib', version }, made.spec));
    await expectSame(new RegExp(`^kdump-compressed v${version}, zlib`), path);
  });

  it.each([1, 2])('with a header of version %i, which has no VMCOREINFO: the kernel is searched', async (version) => {
    const path = tempFolder()('vmcore');
    writeFileSync(path, sampleAs({ compression: 'zlib', version }, made.spec));
    const { status, report: found, file } = await report(path);
    expect([status, file.format]).toEqual([0, 'kdump']);
    expect(found.findings).toEqual(made.sample?.report.findings);
  });

  it('flattened, its records in a strange order', async () => {
    const path = tempFolder()('vmcore.flat');
    const records = recordsOf(readFileSync(SAMPLE), 65_521);
    const shuffled = records.toSorted(
      (a, b) => ((Number(a.offset) * 7919) % 104_729) - ((Number(b.offset) * 7919) % 104_729),
    );
    writeFileSync(path, flattenedFile(shuffled));
    await expectSame(/, flattened$/, path);
  });

  it('flattened and cut off: what is there is told, and what is missing', async () => {
    const path = tempFolder()('vmcore.flat');
    const whole = flattenedFile(recordsOf(readFileSync(SAMPLE), 65_536));
    writeFileSync(path, whole.subarray(0, Math.floor(whole.length * 0.999)));
    const { status, report: found } = await report(path);
    expect([status, found.complete]).toEqual([1, false]);
    expect(found.problems.slice(0, 2)).toEqual([
      expect.stringMatching(/^the flattened file is cut off: it ends inside record \d+$/),
      expect.stringMatching(/^\d+ of 9735 pages are missing$/),
    ]);
    expect(found.findings[0]?.cause).toBe(made.sample?.report.findings[0]?.cause);
  });

  it('split in 3, in any order and as a folder; without one of them it is partial', async () => {
    const file = tempFolder();
    const folder = file('crash');
    mkdirSync(folder);
    // A third of the pages each.
    const frames = [...(made.spec?.pages.keys() ?? [])].sort((x, y) => x - y);
    const [low = 0, high = 0] = [1, 2].map((third) => frames[Math.floor((frames.length * third) / 3)]);
    const windows = [
      [0, low],
      [low, high],
      [high, 131_031],
    ] as const;
    const [a, b, c] = windows.map((window, i) => {
      const path = `${folder}/part${i}`;
      writeFileSync(path, sampleAs({ compression: 'zlib', window }, made.spec));
      return path;
    });
    await expectSame(/, 3 files of a split dump$/, c ?? '', a ?? '', b ?? '');
    await expectSame(/, 3 files of a split dump$/, folder);
    const { status, report: found } = await report(a ?? '', c ?? '');
    expect([status, found.complete]).toEqual([1, false]);
    expect(found.problems[0]).toBe(`the file with page frames ${low} to ${high - 1} is missing: 3245 pages are lost`);
  });
});

it('what is not one dump is status 3 and one line', async () => {
  const text = tempFolder()('notes.txt');
  writeFileSync(text, 'the machine hung again\n');
  for (const [second, message] of [
    [SAMPLE, /hung-6.1.vmcore: a dump of its own, not a file of a split dump; one dump at a time\n$/],
    [text, /notes.txt: this is a text file, not a dump\n$/],
    ['/nothing/here', /: no such file\n$/],
  ] as const) {
    const { status, out, err } = await runWith([SAMPLE, second], fakeIo({}, await loadCore()));
    expect([status, out]).toEqual([3, '']);
    expect(err).toMatch(/^kwhy: [^\n]+\n$/);
    expect(err).toMatch(message);
  }
});

it('no file of a folder or of a split dump is overwritten', async () => {
  const file = tempFolder();
  const spec = sampleSpec();
  mkdirSync(file('crash'));
  const [a, b] = [`${file('crash')}/a`, `${file('crash')}/b`];
  writeFileSync(a, sampleAs({ compression: 'zlib', window: [0, 100_000] }, spec));
  writeFileSync(b, sampleAs({ compression: 'zlib', window: [100_000, 131_031] }, spec));
  const before = readFileSync(b);
  for (const argv of [
    [a, b, '-o', b],
    [file('crash'), '-o', b],
    ['slim', file('crash'), '-f', '-o', b],
  ]) {
    const { status, err } = await runWith(argv, fakeIo({}, await loadCore()));
    expect([status, err]).toEqual([2, expect.stringContaining('this is the dump itself')]);
  }
  expect(Buffer.compare(readFileSync(b), before)).toBe(0);
});
