import { copyFileSync, readdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { IMAGE_FRAME, MEMMAP_FRAME, PageMachine, TEXT } from '../../test/builders/page-machine.ts';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { add, pfn } from '../base/address.ts';
import { attempt, CancelledError, UsageError } from '../base/errors.ts';
import type { DumpFile } from '../dump/dump-file.ts';
import { openDump } from '../dump/open.ts';
import type { Program } from '../program/program.ts';
import { POLICY_VERSION } from './policy.ts';
import { slim, type SlimOptions, type SlimResult, slimPolicyOf } from './slim.ts';

const RECLAIMABLE = 0x20000;
const PAGE = 4096;

/** A kernel image, a small cache, and one above the limit, of slabs of two pages from frame 0x200 on. */
function machine(): PageMachine {
  const built = new PageMachine();
  const { image } = built;
  image.symbol('_text', TEXT);
  image.symbol('_stext', TEXT);
  image.symbol('_etext', TEXT + 0x1800n);
  image.symbol('_end', TEXT + 0x5000n);
  built.imagePages(TEXT, 4, ['PG_reserved']);
  built.imagePages(TEXT + 0x4000n, 1, []);
  built.cache('small', { name: 'kmalloc-64', size: 64 });
  for (let frame = 0x20; frame < 0x24; frame++) built.slab('small', [frame]);
  built.cache('large', { name: 'dentry', size: 192, flags: RECLAIMABLE });
  for (let frame = 0x200; frame < 0x200 + 300; frame += 2) built.slab('large', [frame, frame + 1]);
  built.page(0x30);
  built.page(0x31, { flags: ['PG_lru'] });
  built.page(0x32);
  return built;
}

function run(built: PageMachine, path: string, options: SlimOptions = {}, dump: Partial<DumpFile> = {}): SlimResult {
  const reopen: SlimOptions['reopen'] = (onPage) => built.open(onPage, dump);
  const steps = slim(built.open(undefined, dump), path, { reopen, level: 1, ...options });
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
  }
}

function statuses(dump: DumpFile, frames: readonly number[]): string[] {
  const page = new Uint8Array(PAGE);
  return frames.map((frame) => dump.readPage(pfn(frame), page));
}

/** The frames in a file, as runs. */
function framesIn(dump: DumpFile): Set<number> {
  const found = new Set<number>();
  for (let p = dump.nextInFile(pfn(0)); p !== undefined; p = dump.nextInFile(pfn(p + 1))) found.add(p);
  return found;
}

describe('slim', () => {
  it('keeps small caches whole, of large ones the slabs that the report read, and nothing else beside them', () => {
    const built = machine();
    const path = tempFolder()('out');
    const object = add(built.address(0x241), 8);
    const result = run(built, path, { report: (program) => program.memory.readU64(object) });
    const dump = openDump(path);
    const kept = framesIn(dump);
    expect([...kept].filter((frame) => frame < 0x100)).toEqual([0x20, 0x21, 0x22, 0x23]);
    expect([...kept].filter((frame) => frame >= 0x200 && frame < IMAGE_FRAME)).toEqual([0x240, 0x241]);
    expect(statuses(dump, [0x30, 0x31, 0x200])).toEqual(['excluded', 'excluded', 'excluded']);
    expect(dump.status(pfn(0x1f))).toBe('absent');
    expect(result.caches).toEqual([
      { name: 'dentry', pages: 300, whole: false },
      { name: 'kmalloc-64', pages: 4, whole: true },
    ]);
    expect(result.classes.get('slabs')).toBe(4);
    expect(result.pages).toBe(kept.size);
    dump.close();
  });

  it('keeps the bytes of every page as they are', () => {
    const built = machine();
    const path = tempFolder()('out');
    run(built, path);
    const [before, after] = [built.open().dump, openDump(path)];
    const [left, right] = [new Uint8Array(PAGE), new Uint8Array(PAGE)];
    for (const frame of framesIn(after)) {
      expect(before.readPage(pfn(frame), left)).toBe('data');
      after.readPage(pfn(frame), right);
      expect(Buffer.compare(left, right)).toBe(0);
    }
    after.close();
  });

  it('keeps the kernel image, but neither whole pages of code nor what was freed after boot', () => {
    const built = machine();
    const path = tempFolder()('out');
    const result = run(built, path);
    const dump = openDump(path);
    expect(
      statuses(
        dump,
        [0, 1, 2, 3, 4].map((i) => IMAGE_FRAME + i),
      ),
    ).toEqual(['excluded', 'data', 'data', 'data', 'excluded']);
    expect(result.classes.get('image')).toBe(3);
    dump.close();
  });

  it('never keeps memory of programs or of the page cache, even when the report reads it', () => {
    const built = machine();
    const path = tempFolder()('out');
    const read = (program: Program): void => {
      for (const frame of [0x30, 0x31, 0x32]) program.memory.readU64(built.address(frame));
    };
    expect(run(built, path, { report: read }).refused).toBe(1);
    const dump = openDump(path);
    expect(statuses(dump, [0x30, 0x31, 0x32])).toEqual(['data', 'excluded', 'data']);
    dump.close();
  });

  it('refuses what nobody knows, unless the dump itself has no memory of programs', () => {
    const built = machine();
    // The page structures of the frames 0 to 63.
    built.states.set(MEMMAP_FRAME, 'lost');
    const path = tempFolder();
    const report = (program: Program): void => {
      program.memory.readU64(built.address(0x31));
    };
    for (const [name, dumpLevel, kept] of [
      ['raw', 0, 'excluded'],
      ['unknown', undefined, 'excluded'],
      ['filtered', 31, 'data'],
    ] as const) {
      run(built, path(name), { report }, dumpLevel === undefined ? {} : { dumpLevel });
      const dump = openDump(path(name));
      expect(statuses(dump, [0x31])).toEqual([kept]);
      dump.close();
    }
  });

  it('says in one line that a kernel without known page structures cannot be made slim', () => {
    const program = programOfImage(new KernelImage());
    expect(() => slim(program, tempFolder()('out')).next()).toThrow(UsageError);
  });

  it('leaves excluded pages excluded, and lost ones lost, and says so', () => {
    const built = machine();
    built.states.set(0x21, 'excluded');
    built.states.set(0x22, 'lost');
    // No class wants it.
    built.states.set(0x30, 'lost');
    const path = tempFolder()('out');
    const read = (program: Program): void => {
      attempt(() => program.memory.readU64(built.address(0x21)));
    };
    const result = run(built, path, { report: read }, { counts: { inFile: 1000, excluded: 1, lost: 2 } });
    expect([result.lostPages, result.missing]).toEqual([1, 1]);
    const dump = openDump(path);
    expect(statuses(dump, [0x20, 0x21, 0x22, 0x30])).toEqual(['data', 'excluded', 'lost', 'excluded']);
    expect(dump.problems.join()).toMatch(/incomplete/);
    dump.close();
  });

  it('knows that what an ELF file leaves out of the kernel is zero, unless the report was told otherwise', () => {
    const built = machine();
    for (const frame of [1, 2, 3]) built.states.set(IMAGE_FRAME + frame, 'excluded-or-zero');
    const path = tempFolder()('out');
    const result = run(built, path, {
      report: (program) => attempt(() => program.memory.readU64(add(built.image.address('image 1026'), 8))),
    });
    const dump = openDump(path);
    expect(
      statuses(
        dump,
        [1, 2, 3].map((i) => IMAGE_FRAME + i),
      ),
    ).toEqual(['zero', 'excluded', 'zero']);
    expect([result.classes.get('zeros'), result.missing]).toEqual([2, 1]);
    dump.close();
  });

  it('keeps all page structures of a small machine, of a large one those of kept pages', () => {
    const built = machine();
    const path = tempFolder();
    run(built, path('small'));
    const small = openDump(path('small'));
    expect(framesIn(small).has(MEMMAP_FRAME + 0x100 / 64)).toBe(true);
    built.maxPfn = 600_000;
    run(built, path('large'));
    const large = openDump(path('large'));
    const structures = [...framesIn(large)].filter((frame) => frame >= MEMMAP_FRAME).map((f) => f - MEMMAP_FRAME);
    // Of 0x20-0x23, of the objects of the test itself, of the image, and of the memmap.
    expect(structures).toContain(0);
    expect(structures).toContain(IMAGE_FRAME / 64);
    expect(structures).not.toContain(0x200 / 64);
    small.close();
    large.close();
  });

  it('marks the file with the policy, and keeps notes and VMCOREINFO', () => {
    const built = machine();
    const path = tempFolder()('out');
    const notes = [
      { name: 'CORE', type: 1, desc: new Uint8Array(336) },
      { name: 'KWHY', type: 0x6b77, desc: Buffer.from('POLICY=0\n') },
    ];
    const vmcoreinfo = Buffer.from('OSRELEASE=6.1.0-test\nPAGESIZE=4096\nCRASHTIME=77\n');
    run(built, path, {}, { notes, vmcoreinfo });
    const dump = openDump(path);
    expect(dump.notes.map((note) => note.name)).toEqual(['CORE', 'KWHY', 'VMCOREINFO']);
    expect(slimPolicyOf(dump)).toBe(POLICY_VERSION);
    expect(slimPolicyOf(built.open().dump)).toBeUndefined();
    expect(Buffer.from(dump.vmcoreinfo ?? [])).toEqual(vmcoreinfo);
    expect([dump.dumpLevel, dump.maxPfn, dump.machine]).toEqual([31, 2048, 'x86_64']);
    dump.close();
  });

  it('ends when its time is over, and leaves no file behind', () => {
    const built = machine();
    const path = tempFolder()('out');
    let left = Number.POSITIVE_INFINITY;
    let asked = 0;
    const budget = {
      check() {
        asked++;
        if (left-- <= 0) throw new CancelledError('time-limit');
      },
    };
    run(built, `${path}.whole`, { budget });
    const all = asked;
    expect(all).toBeGreaterThan(10);
    for (const checks of [0, 1, Math.floor(all / 2), all - 1]) {
      left = checks;
      expect(() => run(built, path, { budget })).toThrow(CancelledError);
      expect(readdirSync(dirname(path))).toEqual([basename(`${path}.whole`)]);
    }
  });

  it('never writes over its input, and over another file only when asked to', () => {
    const built = machine();
    const path = tempFolder();
    run(built, path('input'));
    copyFileSync(path('input'), path('other'));
    expect(() => run(built, path('input'), { input: path('input'), replace: true })).toThrow(UsageError);
    expect(() => run(built, path('other'), { input: path('input') })).toThrow(UsageError);
    run(built, path('other'), { input: path('input'), replace: true });
  });
});
