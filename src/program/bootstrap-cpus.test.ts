import { describe, expect, it } from 'vitest';
import type { ElfNote } from '../dump/dump-file.ts';
import { cpuPaging } from './bootstrap-cpus.ts';

const PG = 1n << 31n;
const PAE = 1n << 5n;
const LA57 = 1n << 12n;

/** QEMUCPUState: cr0 at 392, cr3 at 416, cr4 at 424; 440 bytes since QEMU has kernel_gs_base. */
function note(cr3: bigint, { cr0 = PG, cr4 = PAE, version = 1, size = 440, name = 'QEMU' } = {}): ElfNote {
  const desc = Buffer.alloc(440);
  desc.writeUInt32LE(version, 0);
  desc.writeUInt32LE(size, 4);
  desc.writeBigUInt64LE(cr0, 392);
  desc.writeBigUInt64LE(cr3, 416);
  desc.writeBigUInt64LE(cr4, 424);
  return { name, type: 0, desc: desc.subarray(0, size) };
}

describe('cpuPaging', () => {
  it('reads root and levels, without the bits that are no address', () => {
    expect(cpuPaging([note(0x8000_0000_1234_4005n)])).toEqual([{ cpu: 0, root: 0x12344000n, levels: 4 }]);
    expect(cpuPaging([note(0x2918000n, { cr4: PAE | LA57, size: 432 })])).toEqual([
      { cpu: 0, root: 0x2918000n, levels: 5 },
    ]);
  });

  it('tries the tables of the kernel before those of user mode, and each once', () => {
    const notes = [note(0x12345000n), note(0x12344000n), note(0x777000n)];
    expect(cpuPaging(notes).map(({ cpu, root }) => [cpu, root])).toEqual([
      [0, 0x12344000n],
      [0, 0x12345000n],
      [2, 0x776000n],
      [2, 0x777000n],
    ]);
  });

  it('passes over what says nothing: no paging, other versions and notes, notes that are cut off', () => {
    const bad = [
      note(0x1000n, { cr0: 0n }),
      note(0x1000n, { cr4: 0n }),
      note(0x1000n, { version: 2 }),
      note(0x1000n, { size: 431 }),
      note(0x1000n, { name: 'CORE' }),
    ];
    expect(cpuPaging(bad)).toEqual([]);
    expect(cpuPaging([...bad, note(0x4000n)])).toMatchObject([{ root: 0x4000n }]);
  });

  it('is bounded', () => {
    const many = Array.from({ length: 5000 }, (_, i) => note(BigInt(i) * 0x2000n));
    expect(cpuPaging(many)).toHaveLength(64);
  });
});
