/**
 * Block I/O as file systems hand it down: `struct bio` (include/linux/blk_types.h), the memory that one reads or writes,
 * and who asked for it. A clone of device mapper (drivers/md/dm.c) is followed to the bio that it stands for; those of md,
 * dm-crypt and other drivers that make new bios are not.
 */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { nameOfFunction } from './wait-shapes.ts';

const MAX_VECTORS = 1 << 12;
const PAGE = 4096;
/** Devices of device mapper that are stacked. */
const MAX_CLONES = 8;

/** Memory of block I/O: some `struct page`s, one behind the other. */
export interface BioPages {
  readonly page: VirtAddr;
  readonly count: number;
}

/**
 * What is left of a `struct bio`: from its iterator on.
 * @throws FaultError, LookupError, ValidationError when its parts make no sense
 */
export function* pagesOfBio(program: Program, bio: VirtAddr): Generator<BioPages> {
  const field = (path: string) => program.field('struct bio', path);
  const vector = (path: string) => program.field('struct bio_vec', path);
  const size = program.sizeOf('struct bio_vec');
  const first = field('bi_io_vec').pointer(bio);
  let left = field('bi_iter.bi_size').number(bio) + field('bi_iter.bi_bvec_done').number(bio);
  let index = field('bi_iter.bi_idx').number(bio);
  for (let n = 0; left > 0; n++, index++) {
    if (n >= MAX_VECTORS) throw new ValidationError('struct bio', bio, 'has too many parts');
    const at = add(first, index * size);
    const length = vector('bv_len').number(at);
    if (length === 0) throw new ValidationError('struct bio_vec', at, 'is empty');
    const bytes = (vector('bv_offset').number(at) % PAGE) + length;
    yield { page: vector('bv_page').pointer(at), count: Math.ceil(bytes / PAGE) };
    left -= length;
  }
}

/** Who a bio is for. */
export interface BioUser {
  /** The `struct bio *`, or `bi_private` of one: a `struct buffer_head *`, a `struct completion *`, a `struct task_struct *`. */
  readonly address: VirtAddr;
  /** `struct task_struct *` that the I/O past the page cache wakes at its end. */
  readonly waiter: VirtAddr | undefined;
}

/** Objects of I/O past the page cache that name who waits, by the function that ends their bios. */
const WAITERS: ReadonlyMap<string, readonly [type: string, member: string]> = new Map([
  // Since 4.10 (commit ff6a9292e6f6).
  ['iomap_dio_bio_end_io', ['struct iomap_dio', 'submit.waiter']],
  // fs/direct-io.c.
  ['dio_bio_end_io', ['struct dio', 'waiter']],
  ['dio_bio_end_aio', ['struct dio', 'waiter']],
  // block/fops.c, fs/block_dev.c before 5.16.
  ['blkdev_bio_end_io', ['struct blkdev_dio', 'waiter']],
]);

/**
 * Who a `struct bio` is for: itself, which may lie on the stack of who waits, and its `bi_private`; of a clone also those
 * of the bio that it was made of.
 * @throws FaultError, LookupError
 */
export function usersOfBio(program: Program, bio: VirtAddr): readonly BioUser[] {
  const [end, owner] = [program.field('struct bio', 'bi_end_io'), program.field('struct bio', 'bi_private')];
  const found: BioUser[] = [];
  let at: VirtAddr | undefined = bio;
  for (let n = 0; at !== undefined && n < MAX_CLONES; n++) {
    const here: VirtAddr = at;
    found.push({ address: here, waiter: undefined });
    const func = nameOfFunction(program, end.pointer(here));
    const user = owner.pointer(here);
    const place = func === undefined ? undefined : WAITERS.get(func);
    const waiter = place === undefined ? undefined : attempt(() => program.tryField(...place)?.pointer(user));
    if (isKernel(user))
      found.push({ address: user, waiter: waiter !== undefined && isKernel(waiter) ? waiter : undefined });
    at = func === 'clone_endio' ? attempt(() => originalOf(program, here)) : undefined;
  }
  return found;
}

/** The `struct bio *` that a clone of device mapper stands for; the types are those of the module dm_mod, or built in. */
function originalOf(program: Program, clone: VirtAddr): VirtAddr | undefined {
  if (attempt(() => program.tryField('struct dm_target_io', 'clone')) === undefined) program.addModuleTypes();
  const target = program.field('struct dm_target_io', 'clone').container(clone);
  const io = program.field('struct dm_target_io', 'io').pointer(target);
  const original = program.field('struct dm_io', 'orig_bio').pointer(io);
  return isKernel(original) ? original : undefined;
}
