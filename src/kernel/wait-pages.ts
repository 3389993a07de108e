/**
 * Waits for a bit in a word: of a page or folio (locked, under writeback), a buffer head, an inode. The key lies on the
 * stack beside the entry of the wait queue: `struct wait_page_queue`, `struct wait_bit_queue_entry` (include/linux/pagemap.h,
 * wait_bit.h). Nobody is recorded as the owner of a locked page.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { pathOfInode, readInode } from './inode.ts';
import { slabObjectAt } from './slab.ts';
import type { FoundWait } from './wait-kinds.ts';
import { placeOf } from './wait-objects.ts';
import type { QueuedEntry } from './wait-shapes.ts';

/** BH_Lock, enum bh_state_bits. */
const BH_LOCK = 2n;

/** A wait for a `struct folio` or page, by its entry with `wake_page_function`. @throws FaultError, LookupError */
export function pageWait(program: Program, { entry, func }: QueuedEntry): FoundWait | undefined {
  if (func !== 'wake_page_function') return undefined;
  const key = program.field('struct wait_page_queue', 'wait').container(entry);
  // `folio` since 5.16, `page` before.
  const page = program.firstField('struct wait_page_queue', ['folio', 'page']).pointer(key);
  const bit = program.field('struct wait_page_queue', 'bit_nr').value(key);
  if (!isKernel(page)) return undefined;
  const until =
    bit === program.enumerator('PG_locked')
      ? 'to be unlocked'
      : bit === program.enumerator('PG_writeback')
        ? 'to be written back'
        : `to lose its flag ${bit}`;
  const of = attempt(() => fileOfPage(program, page));
  return {
    kind: 'page',
    what: `for a page ${until}${of === undefined ? '' : `: page ${of.index} of ${of.of}`}`,
    name: of?.name,
    object: {
      address: page,
      ctype: program.tryField('struct folio', 'mapping') === undefined ? 'struct page' : 'struct folio',
    },
    proof: 'structure',
  };
}

/** How many `struct page`s a `struct folio` has. @throws FaultError, LookupError */
export function pagesOfFolio(program: Program, folio: VirtAddr): number {
  // 2^order in the low byte of `_flags_1` since 6.6; `_folio_order` from 5.17 on, which a single page has not.
  const head = 1n << (program.enumerator('PG_head') ?? 16n);
  // A struct memdesc_flags_t around the word since 6.18.
  const flags = program.firstField('struct folio', ['flags.f', 'flags']);
  if ((flags.u64(folio) & head) === 0n) return 1;
  const order = ['_folio_order', '_flags_1.f', '_flags_1']
    .map((name) => program.tryField('struct folio', name))
    .find((field) => field !== undefined);
  return order === undefined ? 1 : 1 << Math.min(Number(order.u64(folio) & 0xffn), 10);
}

/** The file and the index in it. */
function fileOfPage(program: Program, page: VirtAddr): (NamedInode & { readonly index: bigint }) | undefined {
  const type = program.tryField('struct folio', 'mapping') === undefined ? 'struct page' : 'struct folio';
  const mapping = program.field(type, 'mapping').pointer(page);
  // The low bits mark anonymous and movable pages.
  if (!isKernel(mapping) || (mapping & 3n) !== 0n) return undefined;
  const index = program.field(type, 'index').u64(page);
  const host = program.field('struct address_space', 'host').pointer(mapping);
  return { index, ...nameOfInode(program, host) };
}

/** A file as it stands in a sentence: our own words, 'the tmpfs file', and the name that belongs behind them. */
export interface NamedInode {
  readonly of: string;
  readonly name: string;
}

/** What a `struct inode` is: the tmpfs file, /run/lock. @throws FaultError, LookupError, ValidationError when it is none */
export function nameOfInode(program: Program, address: VirtAddr): NamedInode {
  const { kind, fsType, number } = readInode(program, address);
  const path = attempt(() => pathOfInode(program, address));
  if (path === undefined && kind === 'block device') {
    // The inodes of bdev itself have no entries. 12 bits of major number before 20 of minor.
    const device = program.field('struct inode', 'i_rdev').number(address);
    return { of: 'the block device', name: `${device >>> 20}:${device & 0xfffff}` };
  }
  if (path === undefined) return { of: `the ${fsType} ${kind} with inode number`, name: String(number) };
  return { of: `the ${fsType} ${kind}`, name: path.text };
}

/** A wait for a bit or a variable, by the `struct wait_bit_queue_entry` around its entry with `wake_bit_function` or `var_wake_function`. @throws as above */
export function bitWait(program: Program, { entry, func }: QueuedEntry): FoundWait | undefined {
  if (func !== 'wake_bit_function' && func !== 'var_wake_function') return undefined;
  // `wq_entry` since 4.13 (commit 2141713616c6), `wait` in struct wait_bit_queue before.
  const renamed = program.tryField('struct wait_bit_queue_entry', 'wq_entry');
  const type = renamed === undefined ? 'struct wait_bit_queue' : 'struct wait_bit_queue_entry';
  const key = (renamed ?? program.field(type, 'wait')).container(entry);
  const word = program.field(type, 'key.flags').pointer(key);
  const bit = program.field(type, 'key.bit_nr').value(key);
  if (!isKernel(word)) return undefined;
  const object = { address: word, ctype: func === 'var_wake_function' ? 'void' : 'unsigned long' };
  if (func === 'var_wake_function') {
    const place = placeOf(program, word);
    return {
      kind: 'bit',
      edge: 'variable',
      what: `for a variable to change${inThe(place?.what)}`,
      name: place?.name,
      object,
      proof: 'structure',
    };
  }
  const buffer = attempt(() => bufferWait(program, word, bit));
  if (buffer !== undefined) return buffer;
  const inode = attempt(() => program.field('struct inode', 'i_state').container(word));
  const named = inode === undefined ? undefined : attempt(() => nameOfInode(program, inode));
  if (named !== undefined && attempt(() => slabObjectAt(program, word)?.cacheName.includes('inode')) === true)
    return {
      kind: 'bit',
      what: `for bit ${bit} in i_state of ${named.of}`,
      name: named.name,
      object,
      proof: 'structure',
    };
  const place = placeOf(program, word);
  return {
    kind: 'bit',
    what: `for bit ${bit} of a word${inThe(place?.what)}`,
    name: place?.name,
    object,
    proof: 'structure',
  };
}

const inThe = (what: string | undefined): string => (what === undefined ? '' : ` in ${what}`);

/** `struct buffer_head`: its `b_state` is its first member in all kernels. */
function bufferWait(program: Program, word: VirtAddr, bit: bigint): FoundWait | undefined {
  const slab = slabObjectAt(program, word);
  if (slab?.cacheName !== 'buffer_head') return undefined;
  const head = program.field('struct buffer_head', 'b_state').container(word);
  if (head !== slab.start) return undefined;
  const block = program.field('struct buffer_head', 'b_blocknr').u64(head);
  const until = bit === BH_LOCK ? 'to be read or written' : `to lose its flag ${bit}`;
  return {
    kind: 'buffer',
    what: `for block ${block} ${until}`,
    object: { address: head, ctype: 'struct buffer_head' },
    proof: 'structure',
  };
}
