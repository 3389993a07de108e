/**
 * Memory of tracing, which are plain pages of the kernel in no counter: the data pages of each `struct trace_array`'s buffers,
 * CPU by CPU (kernel/trace/ring_buffer.c), which grow to megabytes once something was traced, and the records of all
 * functions that can be traced (kernel/trace/ftrace.c).
 */
import { add, clearBits, isAligned, isKernel, NULL, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';
import { listEntries } from './list.ts';

const MAX_ARRAYS = 1 << 16;
/** Data pages of a CPU: 16 GiB of them. */
const MAX_PAGES = 1 << 22;
const MAX_ORDER = 10;
const MAX_RECORD_BLOCKS = 1 << 16;
/** RB_PAGE_HEAD and RB_PAGE_UPDATE, in the low bits of a list's pointers. */
const LINK_FLAGS = 3n;

export interface TracePage {
  /** `struct buffer_data_page *`. */
  readonly address: VirtAddr;
  /** 2^order pages. */
  readonly order: number;
}

/**
 * The data pages of all tracing buffers, snapshots included.
 * @returns none where the kernel traces nothing; of a `struct trace_array` that cannot be followed what came before
 * @throws FaultError, LookupError, ValidationError when a list is broken
 */
export function* tracePages(program: Program): Generator<TracePage> {
  const head = program.symbols.kernel.lookup('ftrace_trace_arrays');
  if (head === undefined) return;
  // array_buffer since 5.6 (commit 1c5eb4481e01), trace_buffer before; snapshot_buffer since 6.19, max_buffer before.
  const buffers = ['array_buffer', 'trace_buffer', 'max_buffer', 'snapshot_buffer'].flatMap(
    (member) => program.tryField('struct trace_array', `${member}.buffer`) ?? [],
  );
  for (const array of listEntries(program, head.address, 'struct trace_array', 'list', MAX_ARRAYS)) {
    for (const member of buffers) {
      const buffer = member.pointer(array);
      if (buffer !== NULL) yield* bufferPages(program, buffer);
    }
  }
}

/**
 * The records of functions that can be traced, `struct dyn_ftrace`, block by block.
 * @returns none where the kernel traces no functions
 * @throws FaultError, LookupError, ValidationError when the chain of `struct ftrace_page` is broken
 */
export function* traceRecords(program: Program): Generator<TracePage> {
  const start = program.symbols.kernel.lookup('ftrace_pages_start');
  if (start === undefined) return;
  const field = (path: string): Field => program.field('struct ftrace_page', path);
  const records = field('records');
  // Since 5.13 and in stable kernels (commit 59300b36f85f); the records that fit, `size`, before.
  const order = program.tryField('struct ftrace_page', 'order');
  let n = 0;
  for (let at = program.memory.readPointer(start.address); at !== NULL; at = field('next').pointer(at)) {
    if (!isKernel(at) || ++n > MAX_RECORD_BLOCKS)
      throw new ValidationError('struct ftrace_page', at, 'the chain is broken');
    const bytes = order === undefined ? field('size').number(at) * program.sizeOf('struct dyn_ftrace') : 0;
    const shift = order?.number(at) ?? Math.ceil(Math.log2(Math.max(1, bytes / program.pageSize)));
    if (!(shift >= 0 && shift <= MAX_ORDER)) throw new ValidationError('struct ftrace_page', at, `has order ${shift}`);
    yield { address: records.pointer(at), order: shift };
  }
}

function* bufferPages(program: Program, buffer: VirtAddr): Generator<TracePage> {
  // `struct ring_buffer` until 5.5.
  const type =
    program.types.tryFind('struct trace_buffer') === undefined ? 'struct ring_buffer' : 'struct trace_buffer';
  const table = program.field(type, 'buffers').pointer(buffer);
  // Since 6.8 (commit 139f84002145) a data page may be several pages.
  const order = program.tryField(type, 'subbuf_order')?.number(buffer) ?? 0;
  if (order > MAX_ORDER) throw new ValidationError(type, buffer, `has data pages of order ${order}`);
  const field = (path: string): Field => program.field('struct ring_buffer_per_cpu', path);
  const data = program.field('struct buffer_page', 'page');
  const list = program.field('struct buffer_page', 'list');
  for (const cpu of cpus(program, 'possible')) {
    const own = attempt(() => program.memory.readPointer(add(table, 8 * cpu)));
    if (own === undefined || !isKernel(own)) continue;
    const reader = field('reader_page').pointer(own);
    if (isKernel(reader)) yield { address: data.pointer(reader), order };
    const first = clearBits(field('pages').pointer(own), LINK_FLAGS);
    const count = field('nr_pages').number(own);
    if (count < 0 || count > MAX_PAGES)
      throw new ValidationError('struct ring_buffer_per_cpu', own, `has ${count} pages`);
    let at = first;
    for (let i = 0; i < count && at !== NULL; i++) {
      if (!isKernel(at) || !isAligned(at, 8))
        throw new ValidationError('struct buffer_page', at, 'is no kernel pointer');
      yield { address: data.pointer(list.container(at)), order };
      at = clearBits(program.memory.readPointer(at), LINK_FLAGS);
      if (at === first) break;
    }
  }
}
