/**
 * Memory of the tracing buffers, kernel/trace/ring_buffer.c: the data pages of each `struct trace_array`'s buffers, CPU by
 * CPU. They are plain pages of the kernel in no counter, and grow to megabytes for each CPU once something was traced.
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
