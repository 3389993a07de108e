import { describe, expect, it } from 'vitest';
import { PieceMemory } from '../../test/builders/memory.ts';
import { add, virt } from '../base/address.ts';
import { orcVersionByLooks } from './orc-looks.ts';
import type { SymbolTable } from './symbol.ts';

const START = virt(0xffffffff82100000n);

/** The version seen in a table of these bit fields, over and over. */
function seen(flags: readonly number[], { repeat = 200, cut = 0 } = {}): number | undefined {
  const bytes = Buffer.alloc(flags.length * repeat * 6);
  for (let i = 0; i < flags.length * repeat; i++) bytes.writeUInt16LE(flags[i % flags.length] ?? 0, i * 6 + 4);
  const memory = new PieceMemory({ start: START, bytes });
  for (let page = 0; page < cut; page++) memory.drop(add(START, page * 4096));
  const at = new Map([
    ['__start_orc_unwind', START],
    ['__stop_orc_unwind', add(START, bytes.length)],
  ]);
  const lookup: SymbolTable['lookup'] = (name) => {
    const address = at.get(name);
    return address === undefined ? undefined : { name, address, size: 0, type: 'R', module: undefined };
  };
  return orcVersionByLooks(memory, {
    count: 2,
    lookup,
    lookupAll: (name) => [lookup(name) ?? []].flat(),
    at: () => undefined,
    entries: () => [],
  });
}

// sp_reg, bp_reg << 4, and from bit 8 on what each version has: mostly calls, some by rbp, a few ends and interrupts.
const TABLES = {
  1: [0x005, 0x015, 0x015, 0x005, 0x044, 0x400, 0x105, 0x005],
  2: [0x005, 0x015, 0x015, 0x005, 0x044, 0x800, 0x505, 0x005],
  3: [0x205, 0x215, 0x215, 0x205, 0x244, 0x100, 0xb05, 0x205],
  4: [0x203, 0x283, 0x283, 0x203, 0x244, 0x100, 0xb03, 0x203],
} as const;

describe('orcVersionByLooks', () => {
  it.each([1, 2, 3, 4] as const)('knows version %i', (version) => {
    expect(seen(TABLES[version])).toBe(version);
    expect(seen(TABLES[version], { cut: 1 })).toBe(version);
    expect(seen(TABLES[version], { repeat: 20_000 })).toBe(version);
  });

  it('does not guess', () => {
    expect(seen([0])).toBeUndefined();
    expect(seen([0xffff])).toBeUndefined();
    expect(seen([0x005, 0x205, 0x203])).toBeUndefined();
    expect(seen([])).toBeUndefined();
    expect(seen(TABLES[1], { repeat: 100, cut: 3 })).toBeUndefined();
  });
});
