/**
 * Addresses. A `VirtAddr` is a kernel or user virtual address, a `PhysAddr` a physical one; both are 64-bit and branded
 * bigints. All arithmetic on them stands here, wraps at 64 bits, and keeps the brand. A `Pfn` and a `FileOffset` fit
 * into 2^53 and are branded numbers. `<` does not see brands: compare with `compare` or `contains`.
 */
import type { Brand } from './brand.ts';

export type VirtAddr = Brand<bigint, 'VirtAddr'>;
export type PhysAddr = Brand<bigint, 'PhysAddr'>;
/** Page frame number: physical address / page size. */
export type Pfn = Brand<number, 'Pfn'>;
/** Byte offset into a file. */
export type FileOffset = Brand<number, 'FileOffset'>;

type Address = VirtAddr | PhysAddr;

/** The one place where a raw 64-bit value becomes a virtual address. */
export function virt(raw: bigint): VirtAddr {
  return BigInt.asUintN(64, raw) as VirtAddr;
}

/** The one place where a raw 64-bit value becomes a physical address. */
export function phys(raw: bigint): PhysAddr {
  return BigInt.asUintN(64, raw) as PhysAddr;
}

export function pfn(raw: number): Pfn {
  return raw as Pfn;
}

export function fileOffset(raw: number): FileOffset {
  return raw as FileOffset;
}

export const NULL: VirtAddr = virt(0n);

/** `a + bytes`, wrapped to 64 bits. */
export function add<A extends Address>(a: A, bytes: number | bigint): A {
  return BigInt.asUintN(64, a + (typeof bytes === 'bigint' ? bytes : BigInt(bytes))) as A;
}

/** `a - bytes`, wrapped to 64 bits. */
export function sub<A extends Address>(a: A, bytes: number | bigint): A {
  return BigInt.asUintN(64, a - BigInt(bytes)) as A;
}

/** Signed distance `a - b` in bytes, exact. */
export function diff<A extends Address>(a: A, b: A): bigint {
  const [left, right]: readonly [bigint, bigint] = [a, b];
  return left - right;
}

/** Distance `a - b` as a number; only for distances known to be below 2^53. */
export function distance<A extends Address>(a: A, b: A): number {
  return Number(a - b);
}

export function compare<A extends Address>(a: A, b: A): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** True when `start <= a < start + length`. */
export function contains<A extends Address>(start: A, length: number | bigint, a: A): boolean {
  return a >= start && a - start < BigInt(length);
}

/** True when `start <= a < end`. */
export function within<A extends Address>(start: A, end: A, a: A): boolean {
  return a >= start && a < end;
}

export function alignDown<A extends Address>(a: A, alignment: number): A {
  return (a - (a % BigInt(alignment))) as A;
}

export function isAligned(a: Address, alignment: number): boolean {
  return a % BigInt(alignment) === 0n;
}

/** `a & ~mask`: strips tag bits that the kernel keeps in the low bits of aligned pointers. */
export function clearBits<A extends Address>(a: A, mask: bigint): A {
  return BigInt.asUintN(64, a & ~mask) as A;
}

export function hasBits(a: Address, mask: bigint): boolean {
  return (a & mask) !== 0n;
}

/**
 * True for addresses of the kernel's half. Bits 63..56 decide: with 5-level page tables kernel pointers look like
 * 0xff11..., so bits 63..47 must not be asked for. Holds for x86-64 and arm64.
 */
export function isKernel(a: VirtAddr): boolean {
  return a >> 56n === 0xffn;
}

/** Page number of an address (exact: below 2^52 for 4 KiB pages). */
export function pageNumber(a: Address, pageShift: number): number {
  return Number(a >> BigInt(pageShift));
}

/** Byte offset inside its page. */
export function pageOffset(a: Address, pageSize: number): number {
  return Number(BigInt.asUintN(32, a)) & (pageSize - 1);
}

export function physOfPfn(frame: Pfn, pageSize: number): PhysAddr {
  return phys(BigInt(frame) * BigInt(pageSize));
}

/** `0x` and 16 hex digits, as in every output and in JSON. */
export function hex(a: bigint): string {
  return `0x${BigInt.asUintN(64, a).toString(16).padStart(16, '0')}`;
}

/** Parses hex with or without `0x`; undefined when it is not an address of at most 64 bits. */
export function parseAddress(text: string): VirtAddr | undefined {
  const match = /^(?:0x)?([0-9a-f]{1,16})$/i.exec(text.trim());
  return match?.[1] === undefined ? undefined : virt(BigInt(`0x${match[1]}`));
}
