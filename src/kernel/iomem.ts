/**
 * The map of physical addresses, `struct resource iomem_resource` (kernel/resource.c, /proc/iomem): what is memory, what
 * the firmware keeps, where the kernel image and the memory for the crash kernel lie.
 */
import { isAligned, isKernel, NULL, type VirtAddr } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

const MAX_RESOURCES = 1 << 16;
const MAX_DEPTH = 32;

export interface Resource {
  /** 'System RAM', 'Kernel code', 'Crash kernel'; '' when it has none. */
  readonly name: string;
  /** Physical address of the first byte. */
  readonly start: bigint;
  /** Physical address of the last byte. */
  readonly end: bigint;
  /** 0 for those below the root. */
  readonly depth: number;
}

export interface PlacedResource extends Resource {
  /** `struct resource *`. */
  readonly address: VirtAddr;
}

/**
 * All of `struct resource` below `iomem_resource`, parents before children, in the order of their addresses.
 * @throws FaultError, LookupError, ValidationError when the tree does not end or contradicts itself
 */
export function iomemResources(program: Program): readonly Resource[] {
  return resourcesBelow(program, program.symbol('iomem_resource').address).map(({ name, start, end, depth }) => ({
    name,
    start,
    end,
    depth,
  }));
}

/**
 * The same below another `struct resource *`: `ioport_resource` has the I/O ports.
 * @throws FaultError, LookupError, ValidationError when the tree does not end or contradicts itself
 */
export function resourcesBelow(program: Program, root: VirtAddr): readonly PlacedResource[] {
  const field = (path: string) => program.field('struct resource', path);
  const [start, end, name] = [field('start'), field('end'), field('name')];
  const [child, sibling, parent] = [field('child'), field('sibling'), field('parent')];
  const found: PlacedResource[] = [];
  const visit = (first: VirtAddr, above: VirtAddr, depth: number): void => {
    for (let at = first; at !== NULL; at = sibling.pointer(at)) {
      if (!isKernel(at) || !isAligned(at, 8)) throw new ValidationError('struct resource', at, 'is no kernel pointer');
      if (parent.pointer(at) !== above) throw new ValidationError('struct resource', at, 'its parent is another one');
      if (found.length >= MAX_RESOURCES || depth > MAX_DEPTH)
        throw new ValidationError('struct resource', root, 'the tree does not end');
      found.push({ address: at, name: name.string(at, 64) ?? '', start: start.u64(at), end: end.u64(at), depth });
      visit(child.pointer(at), at, depth + 1);
    }
  };
  visit(child.pointer(root), root, 0);
  return found;
}
