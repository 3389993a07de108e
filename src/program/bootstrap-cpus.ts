/**
 * Where virtual CPUs had their page tables, by the notes of QEMU's dump-guest-memory and `virsh dump --memory-only`:
 * `QEMUCPUState` of QEMU's target/i386/arch_dump.c, one note 'QEMU' of type 0 for each CPU. Of it only CR0, CR3 and CR4
 * are read. A CPU without paging (not started yet) says nothing.
 */
import { phys, type PhysAddr } from '../base/address.ts';
import { ByteView } from '../base/bytes.ts';
import type { ElfNote } from '../dump/dump-file.ts';

/** u32 version, u32 size, 18 registers of 64 bits, 10 segments of 24 bytes, then cr[5]. */
const CR0 = 392;
const CR3 = CR0 + 3 * 8;
const CR4 = CR0 + 4 * 8;
const STATE_SIZE = CR0 + 5 * 8;
const STATE_VERSION = 1;
const CR0_PG = 1n << 31n;
const CR4_PAE = 1n << 5n;
const CR4_LA57 = 1n << 12n;
/** Without the process-context id (bits 0 to 11) and the bit that keeps the TLB (63). */
const ROOT_MASK = 0x000ffffffffff000n;
/** With page table isolation the tables of user mode lie right behind those of the kernel: PTI_USER_PGTABLE_BIT. */
const PTI_USER = 1n << 12n;
/** All CPUs map the kernel alike; a few may be about to start or to stop. */
const MAX_ROOTS = 64;

export interface CpuPaging {
  /** Counted from 0 in the order of the notes. */
  readonly cpu: number;
  readonly root: PhysAddr;
  readonly levels: 4 | 5;
}

/** Each root once; that of the kernel's half before the same one as the note has it. */
export function cpuPaging(notes: readonly ElfNote[]): readonly CpuPaging[] {
  const found: CpuPaging[] = [];
  const states = notes.filter((note) => note.name === 'QEMU' && note.type === 0 && note.desc.length >= STATE_SIZE);
  states.forEach(({ desc }, cpu) => {
    const state = new ByteView(desc, 'QEMU CPU state');
    const cr4 = state.u64(CR4);
    if (state.u32(0) !== STATE_VERSION || (state.u64(CR0) & CR0_PG) === 0n || (cr4 & CR4_PAE) === 0n) return;
    const stated = state.u64(CR3) & ROOT_MASK;
    const levels = (cr4 & CR4_LA57) === 0n ? 4 : 5;
    for (const root of [stated & ~PTI_USER, stated]) {
      if (found.length < MAX_ROOTS && !found.some((other) => other.root === root && other.levels === levels))
        found.push({ cpu, root: phys(root), levels });
    }
  });
  return found;
}
