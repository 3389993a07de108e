/**
 * Places where the running kernel rewrites its own code: calls for tracing at the start of functions (struct dyn_ftrace,
 * kernel/trace/ftrace.c) and jumps that a static key turns on and off (struct jump_entry, kernel/jump_label.c). Of the
 * kernel's image only; modules and alternatives keep tables of their own, and those of alternatives are freed after boot.
 */
import { add, compare, isKernel, NULL, virt, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

export type PatchSite = { readonly kind: 'ftrace' } | { readonly kind: 'static key'; readonly key: VirtAddr };

export interface PatchSites {
  at(address: VirtAddr): PatchSite | undefined;
  readonly count: number;
  /** What could not be read. */
  readonly problems: readonly string[];
}

const MAX_BLOCKS = 4096;
const MAX_RECORDS = 1 << 22;

/**
 * Reads `struct dyn_ftrace` and `struct jump_entry` of the kernel's image.
 * @throws nothing for what the dump holds: what cannot be read is named in `problems`
 */
export function patchSites(program: Program): PatchSites {
  const problems: string[] = [];
  const traced = readPart(problems, 'functions that can be traced', () => tracedFunctions(program));
  const keys = readPart(problems, 'static keys', () => staticKeys(program));
  const all = traced ?? new BigUint64Array(0);
  return {
    at(address) {
      const key = keys?.get(address);
      if (key !== undefined) return { kind: 'static key', key };
      return holds(all, address) ? { kind: 'ftrace' } : undefined;
    },
    count: all.length + (keys?.size ?? 0),
    problems,
  };
}

function readPart<T>(problems: string[], what: string, read: () => T): T | undefined {
  const value = attempt(read);
  if (value === undefined) problems.push(`${what}: the kernel's table cannot be read`);
  return value;
}

/** Addresses of the calls, rising. @throws FaultError, LookupError, ValidationError */
function tracedFunctions(program: Program): BigUint64Array {
  const start = program.symbols.kernel.lookup('ftrace_pages_start');
  if (start === undefined) return new BigUint64Array(0);
  const field = (path: string) => program.field('struct ftrace_page', path);
  const size = program.sizeOf('struct dyn_ftrace');
  const ip = program.field('struct dyn_ftrace', 'ip').offset;
  const found: bigint[] = [];
  let blocks = 0;
  for (let at = program.memory.readPointer(start.address); at !== NULL; at = field('next').pointer(at)) {
    const count = field('index').number(at);
    if (!isKernel(at) || ++blocks > MAX_BLOCKS || !(count >= 0 && found.length + count <= MAX_RECORDS))
      throw new ValidationError('struct ftrace_page', at, 'the chain is broken');
    const bytes = program.memory.readBytes(field('records').pointer(at), count * size);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < count; i++) found.push(view.getBigUint64(i * size + ip, true));
  }
  return BigUint64Array.from(found).sort();
}

/**
 * Places by address. Since 4.20 on x86 (CONFIG_HAVE_ARCH_JUMP_LABEL_RELATIVE) code and key are distances from the members
 * themselves, which makes `code` an s32; addresses before. The key's two lowest bits are flags.
 */
function staticKeys(program: Program): ReadonlyMap<bigint, VirtAddr> {
  const start = program.symbols.kernel.lookup('__start___jump_table')?.address;
  const end = program.symbols.kernel.lookup('__stop___jump_table')?.address;
  const found = new Map<bigint, VirtAddr>();
  if (start === undefined || end === undefined || compare(end, start) <= 0) return found;
  const code = program.field('struct jump_entry', 'code');
  const key = program.field('struct jump_entry', 'key').offset;
  const size = program.sizeOf('struct jump_entry');
  const relative = code.size === 4;
  const length = Number(end - start);
  if (length > MAX_RECORDS * size) throw new ValidationError('struct jump_entry', start, `${length} bytes of them`);
  const bytes = program.memory.readBytes(start, length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + size <= length; at += size) {
    const codeAt = at + code.offset;
    const keyAt = at + key;
    const site = relative
      ? BigInt.asUintN(64, add(start, codeAt) + BigInt(view.getInt32(codeAt, true)))
      : view.getBigUint64(codeAt, true);
    const raw = view.getBigInt64(keyAt, true);
    const to = relative ? BigInt.asUintN(64, add(start, keyAt) + (raw & ~3n)) : BigInt.asUintN(64, raw & ~3n);
    found.set(site, virt(to));
  }
  return found;
}

function holds(sorted: BigUint64Array, wanted: bigint): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0n) < wanted) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === wanted;
}
