/** A module in small, of a compiler: fuzz/bases/dwarf.c, and the same code linked, whose lines addr2line told. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { virt } from '../base/address.ts';
import { DwarfLines } from '../debuginfo/dwarf/dwarf-lines.ts';
import { DwarfTypes } from '../debuginfo/dwarf/dwarf-types.ts';
import { ElfImage } from '../debuginfo/elf-image.ts';
import { ImageFile } from '../debuginfo/image-file.ts';
import type { SymbolEntry, SymbolTable } from '../debuginfo/symbol.ts';
import { ModuleDebug, moduleNameOf } from './module-debug.ts';

const BASES = join(import.meta.dirname, '../../fuzz/bases');
const OBJECT = join(BASES, 'dwarf-5-module.o');
/** .text of the linked file begins here. */
const LINKED = 0xffffffff81000000n;
const TEXT = 0xffffffffc0345000n;
const SIZE = 0x10e;

/** As `nm` prints them of the linked file, moved. */
const SYMBOLS: readonly (readonly [name: string, offset: bigint])[] = [
  ['slow', 0n],
  ['work', 0x20n],
  ['start', 0xf0n],
];

function loaded(symbols = SYMBOLS, name = 'some_module') {
  const entries = symbols.map(
    ([symbol, offset]): SymbolEntry => ({
      name: symbol,
      address: virt(TEXT + offset),
      size: 16,
      type: 't',
      module: name,
    }),
  );
  const table: Pick<SymbolTable, 'entries'> = { entries: () => entries.values() };
  return { name, symbols: table as SymbolTable };
}

function debugOf(vmlinux: string | undefined, given: readonly string[] = []): ModuleDebug {
  const debug = new ModuleDebug(vmlinux, '6.1.0-test', given);
  onTestFinished(() => {
    debug.close();
  });
  return debug;
}

it('lines, inlined functions, types and unwind rules of a module are those of the same code when it is linked', () => {
  const folder = tempFolder();
  mkdirSync(folder('boot'));
  mkdirSync(folder('lib/modules/6.1.0-test/kernel/fs'), { recursive: true });
  copyFileSync(OBJECT, folder('lib/modules/6.1.0-test/kernel/fs/some-module.ko'));
  const open = debugOf(folder('boot/vmlinux')).of(loaded());
  const file = new ImageFile(join(BASES, 'dwarf-5.elf'));
  const linked = new DwarfLines(new DwarfTypes(new ElfImage(file, 'linked')).info);
  let inlined = 0;
  for (let at = 0n; at < SIZE; at++) {
    const frames = open?.lines.at(TEXT + at);
    expect(frames).toEqual(linked.at(LINKED + at));
    if ((frames?.length ?? 0) > 1) inlined++;
  }
  file.close();
  expect(inlined).toBeGreaterThan(50);
  const [node] = open?.types.find('struct', 'node') ?? [];
  expect(node).toMatchObject({ kind: 'struct', size: 136 });
  // `readelf --debug-dump=frames-interp`: at the start of a function CFA=rsp+8.
  expect(open?.cfi?.lookup(TEXT + 0x20n)).toMatchObject({ cfa: { kind: 'is', offset: 8 } });
});

it('a file that the user names is taken, packed or not; one whose symbols lie elsewhere is not', () => {
  const folder = tempFolder();
  writeFileSync(folder('some_module.ko.gz'), gzipSync(readFileSync(OBJECT)));
  expect(
    debugOf(undefined, [folder('some_module.ko.gz')])
      .of(loaded())
      ?.lines.at(TEXT + 0x20n),
  ).toHaveLength(1);
  const other = debugOf(undefined, [folder('some_module.ko.gz')]);
  expect(other.of(loaded([...SYMBOLS.slice(0, 2), ['start', 0x100n]]))).toBeUndefined();
  expect(other.problems).toEqual([
    `${folder('some_module.ko.gz')}: its symbols do not lie as those of the module some_module in the dump`,
  ]);
  // Two symbols prove nothing.
  expect(debugOf(undefined, [folder('some_module.ko.gz')]).of(loaded(SYMBOLS.slice(0, 2)))).toBeUndefined();
  expect(debugOf(undefined, [folder('some_module.ko.gz')]).of(loaded(SYMBOLS, 'another'))).toBeUndefined();
});

it('damaged files say so and are left out', () => {
  const folder = tempFolder();
  writeFileSync(folder('some_module.ko'), readFileSync(OBJECT).subarray(0, 3000));
  const debug = debugOf(undefined, [folder('some_module.ko'), folder('missing/some_module.ko')]);
  expect(debug.of(loaded())).toBeUndefined();
  expect(debug.problems).toHaveLength(2);
});

it('names of files are spelled as the kernel does', () => {
  expect(moduleNameOf('/lib/modules/6.1/kernel/sound/snd-hda-intel.ko.xz')).toBe('snd_hda_intel');
  expect(moduleNameOf('nf_tables.ko.debug')).toBe('nf_tables');
  expect(moduleNameOf('vmlinux')).toBeUndefined();
});
