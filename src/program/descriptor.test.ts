import { appendFileSync, copyFileSync, utimesSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SAMPLE, sampleAs, sampleSpec } from '../../test/builders/sample.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { attempt, FormatError, StaleDescriptorError, UsageError } from '../base/errors.ts';
import { openDump } from '../dump/open.ts';
import { type ProgramDescriptor, readDescriptor } from './descriptor.ts';
import { openProgram, programOf, reopenProgram } from './open.ts';
import type { Program } from './program.ts';

function descriptorOf(path: string): ProgramDescriptor {
  const program = openProgram(path);
  try {
    return program.descriptor();
  } finally {
    program.close();
  }
}

/** What every table of the kernel is needed for. */
function look(program: Program): unknown {
  const { kernel } = program.symbols;
  const at = program.symbol('schedule').address;
  return {
    release: program.global('init_uts_ns').member('name.release').text(),
    symbol: kernel.at(at)?.name,
    pid: program.field('struct task_struct', 'pid').offset,
    orc: program.orcAt(at)?.cfaReg,
    problems: program.problems,
  };
}

describe('a descriptor', () => {
  it('is small and plain: JSON and structured clone give the same', () => {
    const descriptor = descriptorOf(SAMPLE);
    const json = JSON.stringify(descriptor);
    expect(json.length).toBeLessThan(2000);
    expect(JSON.parse(json)).toEqual(descriptor);
    expect(structuredClone(descriptor)).toEqual(descriptor);
    expect(descriptor).toMatchObject({
      files: [{ path: SAMPLE }],
      kernel: { release: '6.1.0-56-cloud-amd64' },
      bases: { kernelOffset: '0x0000000018800000' },
    });
  });

  it('opens the same program again', () => {
    const descriptor = descriptorOf(SAMPLE);
    const [first, again] = [openProgram(SAMPLE), reopenProgram(descriptor)];
    expect(look(again)).toEqual(look(first));
    expect(look(first)).toMatchObject({ release: '6.1.0-56-cloud-amd64', symbol: 'schedule', orc: 'sp', problems: [] });
    expect(again.descriptor()).toEqual(descriptor);
    for (const program of [first, again]) program.close();
  });

  it('is of files only', () => {
    expect(() => programOf(openDump(SAMPLE)).descriptor()).toThrow(UsageError);
  });
});

describe('a kernel whose tables take a search', () => {
  const searchable = (): string => {
    const path = tempFolder()('searched');
    // As before Linux 6.0: VMCOREINFO does not say where kallsyms is.
    const spec = sampleSpec();
    const vmcoreinfo = spec.vmcoreinfo?.replace(/^SYMBOL\(kallsyms_\w+\)=.*\n/gm, '') ?? '';
    expect(vmcoreinfo).not.toBe(spec.vmcoreinfo);
    writeFileSync(path, sampleAs({ vmcoreinfo }, spec));
    return path;
  };

  const pagesOf = (open: (onPage: (frame: number) => void) => Program): readonly [unknown, number] => {
    const pages = new Set<number>();
    const program = open((frame) => pages.add(frame));
    const count = pages.size;
    const seen = look(program);
    program.close();
    return [seen, count];
  };

  it('is not searched again', () => {
    const path = searchable();
    const [first, searched] = pagesOf((onPage) => openProgram(path, { onPage }));
    const descriptor = descriptorOf(path);
    const [again, read] = pagesOf((onPage) => reopenProgram(descriptor, { onPage }));
    expect(again).toEqual(first);
    expect(read).toBeLessThan(searched * 0.8);
  });

  it('is searched when the places are wrong', () => {
    const path = searchable();
    const { kallsyms, btf, ...rest } = descriptorOf(path);
    if (kallsyms === undefined || btf === undefined) throw new Error('they were found');
    const wrong = {
      ...rest,
      kallsyms: { ...kallsyms, names: '0xffffffff99999998', count: 99 },
      btf: { start: kallsyms.names, end: btf.end },
    };
    const [again] = pagesOf((onPage) => reopenProgram(wrong, { onPage }));
    expect(again).toEqual(pagesOf((onPage) => openProgram(path, { onPage }))[0]);
  });
});

it('a kernel that takes a search itself is not searched again, unless it is not there', () => {
  const path = tempFolder()('without');
  const { vmcoreinfo: _, ...spec } = sampleSpec();
  writeFileSync(path, sampleAs({}, spec));
  const pages = { first: new Set<number>(), again: new Set<number>() };
  const first = openProgram(path, { onPage: (frame) => pages.first.add(frame) });
  expect(first.foundBy).toContain('kernel found by');
  const descriptor = first.descriptor();
  const again = reopenProgram(JSON.parse(JSON.stringify(descriptor)) as ProgramDescriptor, {
    onPage: (frame) => pages.again.add(frame),
  });
  expect(again.foundBy).toBe(first.foundBy);
  expect(look(again)).toEqual(look(first));
  expect(again.descriptor()).toEqual(descriptor);
  expect(pages.again.size).toBeLessThan(pages.first.size);
  const { found } = descriptor;
  if (found === undefined) throw new Error('it was searched');
  const wrong = { ...found, vmcoreinfo: found.vmcoreinfo.replace(/phys_base\)=.*/, 'phys_base)=4194304') };
  const searched = reopenProgram({ ...descriptor, found: wrong });
  expect(look(searched)).toEqual(look(first));
  for (const program of [first, again, searched]) program.close();
});

describe('another file than the one it was made of is refused', () => {
  it('by size, and by time of change', () => {
    const path = tempFolder()('copy');
    copyFileSync(SAMPLE, path);
    const descriptor = descriptorOf(path);
    utimesSync(path, 1_700_000_000, 1_700_000_000);
    expect(() => reopenProgram(descriptor)).toThrow(StaleDescriptorError);
    expect(() => reopenProgram(descriptor)).toThrow('its mtime was');
    appendFileSync(path, 'x');
    expect(() => reopenProgram(descriptor)).toThrow(/its size was 6234647 and is 6234648/);
  });

  it('by the kernel in it', () => {
    const descriptor = descriptorOf(SAMPLE);
    const { kernel } = descriptor;
    for (const [changed, differs] of [
      [{ ...kernel, buildId: '00'.repeat(20) }, 'build-id'],
      [{ ...kernel, release: '6.1.0-57-amd64' }, 'release'],
      [{}, 'release'],
    ] as const) {
      const thrown = caught(() => reopenProgram({ ...descriptor, kernel: changed }));
      expect(thrown).toBeInstanceOf(StaleDescriptorError);
      expect(thrown).toMatchObject({ path: SAMPLE, differs });
    }
  });

  it('when there is no file any more', () => {
    const descriptor = descriptorOf(SAMPLE);
    const files = descriptor.files.map((each) => ({ ...each, path: `${SAMPLE}.gone` }));
    expect(() => reopenProgram({ ...descriptor, files })).toThrow(UsageError);
  });
});

it('what is no descriptor is a FormatError', () => {
  const good = descriptorOf(SAMPLE);
  const bad: readonly unknown[] = [
    undefined,
    'kwhy-program',
    {},
    { ...good, version: 2 },
    { ...good, files: [] },
    { ...good, files: [{ path: 7, size: 1, mtimeNs: '1' }] },
    { ...good, files: [{ path: SAMPLE, size: -1, mtimeNs: '1' }] },
    { ...good, files: [{ path: SAMPLE, size: 1, mtimeNs: 'now' }] },
    { ...good, kernel: undefined },
    { ...good, kernel: { release: 6.1 } },
    { ...good, btf: { start: 'here', end: 'there' } },
    { ...good, kallsyms: { ...good.kallsyms, addresses: { kind: 'odd', at: '0x1' } } },
    { ...good, orc: { ...good.orc, version: 9 } },
    { ...good, found: { vmcoreinfo: '', how: '' } },
  ];
  for (const each of bad)
    expect(() => reopenProgram(each as ProgramDescriptor), JSON.stringify(each)).toThrow(FormatError);
});

it('whatever it is given, it is read or a FormatError', () => {
  const good = descriptorOf(SAMPLE);
  const keys = fc.constantFrom(...Object.keys(good), 'found');
  fc.assert(
    fc.property(fc.array(fc.tuple(keys, fc.anything()), { maxLength: 4 }), (changes) => {
      const read = attempt(() => readDescriptor({ ...good, ...Object.fromEntries(changes) }));
      expect(read === undefined || read.files.every(({ path }) => typeof path === 'string')).toBe(true);
    }),
  );
});

function caught(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}
