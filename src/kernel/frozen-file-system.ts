/**
 * Frozen file systems (`struct super_block.s_writers`, fs/super.c): ioctl FIFREEZE, a snapshot, or a block device that is
 * being suspended closes three gates, and whoever writes waits at one of them until the file system is thawed. Nothing
 * records who froze it. The gates are percpu_rw_semaphores since 4.3 (commit 8129ed29644b); older ones are not handled.
 */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { fsTypeName, superBlocks } from './super-block.ts';

/** SB_FREEZE_WRITE, SB_FREEZE_PAGEFAULT, SB_FREEZE_FS: an index into `s_writers.rw_sem` each, less one. */
const GATES = 3;
/** SB_FREEZE_COMPLETE, since 3.6. */
const COMPLETE = 4n;

export interface FrozenFileSystem {
  /** `struct super_block *`. */
  readonly superBlock: VirtAddr;
  readonly fsType: string;
  /** `s_id`: 'dm-0'. */
  readonly id: string;
  /** `struct percpu_rw_semaphore *` of each gate: for writes, for page faults that write, for the file system itself. */
  readonly gates: readonly VirtAddr[];
  /** `struct block_device *`; undefined where it has none. */
  readonly device: VirtAddr | undefined;
  /** How often it is frozen through its block device, as for a snapshot; undefined where that is not known. */
  readonly throughDevice: number | undefined;
}

/**
 * Each `struct super_block` that is frozen, wholly: not those that are just being frozen or thawed.
 * @throws FaultError, LookupError, ValidationError when the list of super blocks is broken
 */
export function frozenFileSystems(program: Program): readonly FrozenFileSystem[] {
  const frozen = program.field('struct super_block', 's_writers.frozen');
  const out: FrozenFileSystem[] = [];
  for (const superBlock of superBlocks(program)) {
    if (attempt(() => frozen.value(superBlock)) !== COMPLETE) continue;
    const found = attempt(() => read(program, superBlock));
    if (found !== undefined) out.push(found);
  }
  return out;
}

function read(program: Program, superBlock: VirtAddr): FrozenFileSystem {
  const field = (path: string) => program.field('struct super_block', path);
  const first = field('s_writers.rw_sem').address(superBlock);
  const size = program.sizeOf('struct percpu_rw_semaphore');
  const device = field('s_bdev').pointer(superBlock);
  return {
    superBlock,
    fsType: fsTypeName(program, superBlock),
    id: field('s_id').text(superBlock),
    gates: Array.from({ length: GATES }, (_gate, i) => add(first, i * size)),
    device: isKernel(device) ? device : undefined,
    throughDevice: isKernel(device) ? attempt(() => freezes(program, device)) : undefined,
  };
}

/** `bd_fsfreeze_count`: an int until 5.x, then an atomic_t. */
function freezes(program: Program, device: VirtAddr): number {
  const type = 'struct block_device';
  return program.firstField(type, ['bd_fsfreeze_count.counter', 'bd_fsfreeze_count']).number(device);
}
