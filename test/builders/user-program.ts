/**
 * A program whose page tables a test builds (page-tables.ts), beside the structures of an image: physical pages of the
 * tables lie below 1 MiB and where they map, those of the image above, at the same place in the direct map.
 */
import { phys } from '../../src/base/address.ts';
import type { Program } from '../../src/program/program.ts';
import type { KernelImage } from './image.ts';
import type { PhysicalImage } from './page-tables.ts';
import { programOfImage } from './program.ts';

/** Where tables at a physical address are in the direct map: what `pgd` holds. */
export const DIRECT_MAP = 0xffff888000000000n;
const IMAGE = DIRECT_MAP + 0x100000n;

export function userProgram(image: KernelImage, memory: PhysicalImage, arch = 'x86_64'): Program {
  if (memory.levels === 5) image.vmcoreinfo('NUMBER(pgtable_l5_enabled)', 1);
  const tables = memory.dump();
  const own = programOfImage(image).dump;
  const of = (frame: number) => (memory.pages.has(frame) || memory.states.has(frame) ? tables : own);
  return programOfImage(image, {
    arch: {
      name: arch,
      translate: (address) => phys(address >= IMAGE || address < DIRECT_MAP ? address : address - DIRECT_MAP),
    },
    dump: { status: (frame) => of(frame).status(frame), readPage: (frame, into) => of(frame).readPage(frame, into) },
  });
}
