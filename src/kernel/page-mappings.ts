/**
 * What the pages of the page cache belong to: each `struct address_space` that a page structure names, told apart by its
 * operations and the file system of its inode (include/linux/fs.h), with how many pages it has.
 */
import { isAligned, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { PointerTable } from './pointer-table.ts';
import { fsTypeName } from './super-block.ts';

/**
 * `shmem`: tmpfs, shared memory and shared anonymous memory; `block`: the page cache of a block device; `hugetlb`: of
 * hugetlbfs; `file`: any other; `unread`: the dump does not have it; `none`: what stands there is no address space.
 */
export const MAPPING_KINDS = ['file', 'shmem', 'block', 'hugetlb', 'unread', 'none'] as const;
export type MappingKind = (typeof MAPPING_KINDS)[number];

export interface MappingPages {
  /** `struct address_space *`. */
  readonly mapping: VirtAddr;
  readonly kind: MappingKind;
  /** `struct super_block *`; undefined when it cannot be read. */
  readonly superBlock: VirtAddr | undefined;
  readonly pages: number;
  /** Of these, mapped by programs. */
  readonly mapped: number;
  readonly dirty: number;
}

export class PageMappings {
  readonly #program: Program;
  readonly #table = new PointerTable();
  readonly #kinds: number[] = [];
  readonly #superBlocks: (VirtAddr | undefined)[] = [];
  readonly #pages: number[] = [];
  readonly #mapped: number[] = [];
  readonly #dirty: number[] = [];
  readonly #types = new Map<VirtAddr, string>();
  readonly #shmem: VirtAddr | undefined;

  constructor(program: Program) {
    this.#program = program;
    this.#shmem = program.symbols.kernel.lookup('shmem_aops')?.address;
  }

  /** The number of an address space, given by the halves of its address. For hot loops. */
  number(low: number, high: number): number {
    const found = this.#table.number(low, high);
    if (found >= 0) return found;
    const number = -1 - found;
    const mapping = this.#table.pointer(number);
    const read = attempt(() => this.#read(mapping));
    this.#kinds.push(MAPPING_KINDS.indexOf(read?.kind ?? 'unread'));
    this.#superBlocks.push(read?.superBlock);
    this.#pages.push(0);
    this.#mapped.push(0);
    this.#dirty.push(0);
    return number;
  }

  /** Position in MAPPING_KINDS. */
  kind(number: number): number {
    return this.#kinds[number] ?? MAPPING_KINDS.length - 1;
  }

  /** Counts a page of an address space. */
  count(number: number, mapped: boolean, dirty: boolean): void {
    this.#pages[number] = (this.#pages[number] ?? 0) + 1;
    if (mapped) this.#mapped[number] = (this.#mapped[number] ?? 0) + 1;
    if (dirty) this.#dirty[number] = (this.#dirty[number] ?? 0) + 1;
  }

  #read(mapping: VirtAddr): { readonly kind: MappingKind; readonly superBlock: VirtAddr | undefined } {
    const program = this.#program;
    if (!isKernel(mapping) || !isAligned(mapping, 4)) return { kind: 'none', superBlock: undefined };
    const operations = program.field('struct address_space', 'a_ops').pointer(mapping);
    const host = program.field('struct address_space', 'host').pointer(mapping);
    const superBlock = isKernel(host) ? program.field('struct inode', 'i_sb').pointer(host) : undefined;
    const type = superBlock === undefined ? undefined : this.#typeOf(superBlock);
    if (operations === this.#shmem || (this.#shmem === undefined && type === 'tmpfs'))
      return { kind: 'shmem', superBlock };
    if (type === 'bdev') return { kind: 'block', superBlock };
    if (type === 'hugetlbfs') return { kind: 'hugetlb', superBlock };
    return { kind: isKernel(operations) ? 'file' : 'none', superBlock };
  }

  #typeOf(superBlock: VirtAddr): string {
    let type = this.#types.get(superBlock);
    if (type === undefined)
      this.#types.set(superBlock, (type = attempt(() => fsTypeName(this.#program, superBlock)) ?? ''));
    return type;
  }

  /** Type of a file system by its `struct super_block *`; '' when it cannot be read. */
  fsType(superBlock: VirtAddr): string {
    return this.#typeOf(superBlock);
  }

  get size(): number {
    return this.#table.count;
  }

  /** All of them. */
  *entries(): Generator<MappingPages> {
    for (let number = 0; number < this.#table.count; number++) {
      yield {
        mapping: this.#table.pointer(number),
        kind: MAPPING_KINDS[this.kind(number)] ?? 'none',
        superBlock: this.#superBlocks[number],
        pages: this.#pages[number] ?? 0,
        mapped: this.#mapped[number] ?? 0,
        dirty: this.#dirty[number] ?? 0,
      };
    }
  }
}
