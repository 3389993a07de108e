import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { virt } from '../base/address.ts';
import { FormatError } from '../base/errors.ts';
import { openModuleSymbols } from './module-symbols.ts';

const BASE = 0xffffffffc0037000n;

interface Sym {
  readonly name: string;
  readonly value: bigint;
  readonly section?: number;
  readonly info?: number;
}

function build(symbols: readonly Sym[]): { readonly symtab: Uint8Array; readonly strtab: Uint8Array } {
  const strtab = Buffer.from(`\0${symbols.map(({ name }) => `${name}\0`).join('')}`, 'latin1');
  const symtab = Buffer.alloc(symbols.length * 24);
  let name = 1;
  for (const [i, symbol] of symbols.entries()) {
    symtab.writeUInt32LE(name, i * 24);
    symtab.writeUInt8(symbol.info ?? 0, i * 24 + 4);
    symtab.writeUInt16LE(symbol.section ?? 1, i * 24 + 6);
    symtab.writeBigUInt64LE(symbol.value, i * 24 + 8);
    name += symbol.name.length + 1;
  }
  return { symtab, strtab };
}

const SYMBOLS: readonly Sym[] = [
  { name: '', value: 0n, section: 0 },
  { name: 'fw_cfg_show', value: BASE + 0x40n, info: 0x74 },
  { name: 'printk', value: 0n, section: 0 },
  { name: 'init_module', value: BASE, info: 0x54 },
  { name: 'fw_cfg_probe', value: BASE, info: 0x74 },
  { name: '__key', value: BASE + 0x2000n, info: 0x62 },
  { name: '__key', value: BASE + 0x2008n, info: 0x62 },
];
const TYPES = Buffer.from('?tUTtbb', 'latin1');

describe('openModuleSymbols', () => {
  const { symtab, strtab } = build(SYMBOLS);
  const table = openModuleSymbols('qemu_fw_cfg', symtab, strtab, TYPES);

  test('leaves out undefined symbols and those without a name, and orders the others', () => {
    expect(table.count).toBe(5);
    expect([...table.entries()]).toEqual([
      { name: 'init_module', address: BASE, size: 0x40, type: 'T', module: 'qemu_fw_cfg' },
      { name: 'fw_cfg_probe', address: BASE, size: 0x40, type: 't', module: 'qemu_fw_cfg' },
      { name: 'fw_cfg_show', address: BASE + 0x40n, size: 0x1fc0, type: 't', module: 'qemu_fw_cfg' },
      { name: '__key', address: BASE + 0x2000n, size: 8, type: 'b', module: 'qemu_fw_cfg' },
      { name: '__key', address: BASE + 0x2008n, size: 0, type: 'b', module: 'qemu_fw_cfg' },
    ]);
  });

  test('answers by name and by address', () => {
    expect(table.lookup('fw_cfg_show')?.address).toBe(BASE + 0x40n);
    expect(table.lookup('printk')).toBeUndefined();
    expect(table.lookupAll('__key').map(({ address }) => address)).toEqual([BASE + 0x2000n, BASE + 0x2008n]);
    expect(table.lookup('constructor')).toBeUndefined();
    expect(table.at(virt(BASE + 0x3fn))?.name).toBe('init_module');
    expect(table.at(virt(BASE - 1n))).toBeUndefined();
  });

  test('before 5.2 the type letter is in st_info', () => {
    const old = openModuleSymbols('qemu_fw_cfg', symtab, strtab, undefined);
    expect([...old.entries()].map(({ type }) => type).join('')).toBe('Tttbb');
  });

  test('nonsense gives a table or a FormatError', () => {
    expect(openModuleSymbols('m', new Uint8Array(23), strtab, TYPES).count).toBe(0);
    expect(openModuleSymbols('m', symtab, new Uint8Array(0), TYPES).count).toBe(0);
    expect(() => openModuleSymbols('m', symtab, strtab, TYPES.subarray(0, 3))).toThrow(FormatError);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 60 }), (syms, names) => {
        const wild = openModuleSymbols('m', syms, names, undefined);
        for (const entry of wild.entries()) {
          expect(wild.lookup(entry.name)?.name).toBe(entry.name);
          wild.at(entry.address);
        }
      }),
    );
  });
});
