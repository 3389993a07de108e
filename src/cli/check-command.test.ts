/** `kwhy check` on the sample and on damaged copies of it; the numbers are those of samples/README.md and of the damage. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, describe, it, test } from 'vitest';
import { fakeIo, runWith } from '../../test/builders/cli.ts';
import type { KdumpSpec } from '../../test/builders/kdump-file.ts';
import { SAMPLE, sampleAs, sampleSpec } from '../../test/builders/sample.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';

interface CheckJson {
  readonly verdict: string;
  readonly complete: boolean;
  readonly summary: string;
  readonly dump: {
    readonly pages: { readonly inFile: number; readonly lost: number; readonly excluded: number };
    readonly sample: { readonly read: number; readonly damaged: number; readonly whole: boolean };
    readonly tables: { readonly symbols: number; readonly types: boolean; readonly unwindTables: boolean };
    readonly contents: { readonly tasks?: number; readonly expectedTasks?: number };
    readonly [key: string]: unknown;
  };
  readonly problems: readonly string[];
  readonly missing: readonly { readonly id: string; readonly what: string; readonly costs: string }[];
}

const PAGES = 9735;

async function check(path: string): Promise<{ readonly status: number; readonly json: CheckJson }> {
  // The clock stands still: there is time for everything.
  const { status, out, err } = await runWith(['check', path, '--json']);
  expect(err).toBe('');
  return { status, json: JSON.parse(out) as CheckJson };
}

function copy(change: (bytes: Buffer) => Buffer): string {
  const path = tempFolder()('copy.vmcore');
  writeFileSync(path, change(readFileSync(SAMPLE)));
  return path;
}

describe('the sample', () => {
  it('is sound: status 0, and everything that is known of it', async () => {
    const { status, json } = await check(SAMPLE);
    expect(status).toBe(0);
    expect(json).toMatchObject({
      schema: 'kwhy-check',
      version: 1,
      verdict: 'sound',
      complete: true,
      problems: [],
      missing: [],
      dump: {
        file: { paths: [SAMPLE], bytes: 6234647 },
        format: { format: 'kdump' },
        creator: 'kwhy slim',
        leftOut: { dumpLevel: 31 },
        machine: { architecture: 'x86_64', pageSize: 4096, pagingLevels: 4, onlineCpus: 2 },
        kernel: {
          release: '6.1.0-56-cloud-amd64',
          banner: expect.stringMatching(/^Linux version 6\.1\.0-56-cloud-amd64 .* Debian 6\.1\.192-2/) as string,
          buildId: '3b43fad5034874490492495d552c0af6a5fab235',
        },
        crashTime: { utc: '2026-11-23T02:41:37Z' },
        vmcoreinfo: { note: true },
        tables: { types: true, unwindTables: true },
        pages: { frames: 131031, inFile: PAGES, lost: 0, excluded: 80080 },
        sample: { read: PAGES, damaged: 0, whole: true },
        notes: { registers: 2 },
        contents: { tasks: 161, expectedTasks: 161, blockedTasks: 51, stacks: { looked: 51, whole: 51 } },
      },
    });
  });

  it('fits on one screen', async () => {
    const { status, out } = await runWith(['check', SAMPLE, '--width', '100']);
    expect(status).toBe(0);
    expect(out).toMatch(/^A sound dump: nothing is missing/);
    expect(out.split('\n').length).toBeLessThanOrEqual(24);
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(out).toContain('all 9735 pages of the file, from all over it: none is damaged');
    expect(out).toContain('161 of 161 tasks, 51 of 51 stacks of blocked tasks');
  });
});

describe('a copy that was cut off', () => {
  it.each([5, 25, 50, 75, 95, 99.9, 99.99])('at %d %%: says how much is lost, status 1', async (percent) => {
    const { status, json } = await check(copy((bytes) => bytes.subarray(0, (bytes.length * percent) / 100)));
    expect(status).toBe(1);
    expect(json.complete).toBe(false);
    const { inFile, lost } = json.dump.pages;
    expect(lost).toBeGreaterThan(0);
    expect(inFile + lost).toBe(PAGES);
    expect(json.dump.sample).toMatchObject({ read: inFile, damaged: 0, whole: true });
    expect(json.problems).toEqual([`${lost} of ${PAGES} pages lie behind the end of the file, which is truncated`]);
    const ids = json.missing.map(({ id }) => id);
    expect(ids).toContain('lost-pages');
    // What is not there is named, and what is there is not.
    expect(ids.includes('symbols')).toBe(json.dump.tables.symbols === 0);
    expect(ids.includes('types')).toBe(!json.dump.tables.types);
    expect(json.verdict).toBe(percent <= 50 ? 'unusable' : 'incomplete');
  });

  it('says what that costs', async () => {
    const path = copy((bytes) => bytes.subarray(0, bytes.length / 2));
    const { status, out } = await runWith(['check', path]);
    expect(status).toBe(1);
    expect(out).toMatch(/^A dump, but of no use for a diagnosis: neither its types nor its log are there\./);
    expect(out.replace(/\s+/g, ' ')).toContain('layouts of structures: no tasks, no locks, no memory; only the log');
  });

  it('in its headers: no dump that can be read, status 3, one line', async () => {
    for (const length of [1, 60, 4000, 20_000]) {
      const path = copy((bytes) => bytes.subarray(0, length));
      const { status, out, err } = await runWith(['check', path]);
      expect({ status, out }).toEqual({ status: 3, out: '' });
      expect(err).toMatch(/^kwhy: [^\n]+\n$/);
      expect(err).toContain(path);
    }
  });
});

describe('a copy that is damaged inside', () => {
  it('a megabyte of zeros in its pages: they are counted by reading them', async () => {
    const path = copy((bytes) => bytes.fill(0, 3 << 20, 4 << 20));
    const { status, json } = await check(path);
    expect(status).toBe(1);
    const { damaged, read } = json.dump.sample;
    expect([read, json.dump.pages.lost]).toEqual([PAGES, 0]);
    expect(damaged).toBeGreaterThan(500);
    expect(json.problems.join('\n')).toContain(`the data of ${damaged} pages is damaged or cannot be read`);
    expect(json.missing.find(({ id }) => id === 'damaged-pages')?.what).toContain('whose data is damaged');
  });

  it('flipped bits in zlib data: the checksum tells', async () => {
    const path = tempFolder()('zlib');
    const bytes = sampleAs({ compression: 'zlib' }, sampleSpec());
    for (let at = bytes.length >> 1; at < bytes.length; at += 100_003) bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    writeFileSync(path, bytes);
    const { status, json } = await check(path);
    expect(status).toBe(1);
    expect(json.dump.sample.damaged).toBeGreaterThan(0);
    expect(json.dump.sample.read).toBe(PAGES);
  });
});

test('a kernel without VMCOREINFO: it is searched, and a diagnosis loses nothing', async () => {
  const path = tempFolder()('none');
  writeFileSync(path, sampleAs({ vmcoreinfo: undefined }, sampleSpec()));
  const { status, json } = await check(path);
  expect([status, json.missing]).toEqual([0, []]);
  expect(json.dump.vmcoreinfo).toMatchObject({
    note: false,
    foundBy: expect.stringContaining('kernel found by') as string,
  });
  expect(json.dump.contents).toMatchObject({ tasks: 161, expectedTasks: 161 });
});

test.each([
  ['an empty file', '', /the file is empty/],
  ['a text file', 'the machine hung again\n', /text file/],
  ['zeros', '\0'.repeat(8192), /not a kernel dump|no Linux kernel/],
  ['noise', Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * i * 7) & 0xff)).toString('latin1'), /no/],
])('%s: status 3, one line', async (_what, content, message) => {
  const path = tempFolder()('file');
  writeFileSync(path, content, 'latin1');
  const { status, out, err } = await runWith(['check', path]);
  expect({ status, out }).toEqual({ status: 3, out: '' });
  expect(err).toMatch(/^kwhy: [^\n]+\n$/);
  expect(err).toMatch(message);
});

test('when the time is over it tells what it has: pages are read as far as they were', async () => {
  let asked = 0;
  const io = fakeIo({ now: () => (++asked > 3000 ? 10_000 : 0) });
  const { status, out } = await runWith(['check', SAMPLE, '--json'], io);
  const json = JSON.parse(out) as CheckJson;
  expect([status, json.verdict]).toEqual([0, 'sound']);
  expect(json.summary).toContain('as far as it was looked at');
  expect(json.dump.pages.inFile).toBe(PAGES);
  expect(json.dump.sample.whole).toBe(false);
  expect(json.dump.sample.read).toBeLessThan(PAGES);
  expect(json.dump.contents.tasks).toBeUndefined();
});

test.each([
  [['check'], 'which dump? usage: kwhy check VMCORE'],
  [['check', 'a', '--jsn'], 'unknown option --jsn; did you mean --json?'],
  [['check', 'a', '--width', '5'], '--width 5: must be'],
])('%j is refused', async (argv, message) => {
  const { status, out, err } = await runWith(argv);
  expect([status, out]).toEqual([2, '']);
  expect(err).toContain(message);
});

test('--help says what it is', async () => {
  const { status, out } = await runWith(['check', '--help']);
  expect(status).toBe(0);
  expect(out).toContain('usage: kwhy check VMCORE');
  expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
});

describe('what a file says of itself', () => {
  it('a dump that was cut off while it was written', async () => {
    const path = tempFolder()('incomplete');
    // The last 500 pages were never written, and the header says so.
    const spec = sampleSpec();
    const frames = [...spec.pages.keys()].sort((a, b) => a - b);
    const from = frames.at(-500) ?? 0;
    const descriptor: KdumpSpec['descriptor'] = (frame, made) =>
      frame < from ? made : { offset: 0, size: 0, flags: 0 };
    writeFileSync(path, sampleAs({ status: 8, descriptor }, spec));
    const { status, json } = await check(path);
    expect(status).toBe(1);
    expect(json.dump.pages).toMatchObject({ inFile: PAGES - 500, lost: 500 });
    expect(json.problems.join('\n')).toContain('the dump is incomplete: it was cut off while it was written');
    expect(json.problems.join('\n')).toContain(`500 of ${PAGES} pages were never written`);
  });

  it('one file of a split dump: which is missing, and how many pages with it', async () => {
    const path = tempFolder()('part');
    const spec = sampleSpec();
    writeFileSync(path, sampleAs({ window: [0, 65_536] }, spec));
    const inside = [...spec.pages.keys()].filter((frame) => frame < 65_536).length;
    const { status, json } = await check(path);
    expect(status).toBe(1);
    expect(json.problems).toContain(
      `the file with page frames 65536 to ${spec.maxPfn - 1} is missing: ${PAGES - inside} pages are lost`,
    );
    expect(json.dump.pages).toMatchObject({ inFile: inside, lost: PAGES - inside });
  });
});
