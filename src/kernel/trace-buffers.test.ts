import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { ValidationError } from '../base/errors.ts';
import { tracePages, traceRecords } from './trace-buffers.ts';

/** Two CPUs, of which the first has a ring of three pages and one for the reader. */
function image(order?: number): KernelImage {
  const built = new KernelImage();
  built.cpus(2);
  built.struct('buffer_page', { list: 'struct list_head', write: 'long', page: 'void *' });
  built.struct('ring_buffer_per_cpu', {
    cpu: 'int',
    nr_pages: 'unsigned long',
    pages: 'struct list_head *',
    reader_page: 'struct buffer_page *',
  });
  built.struct('trace_buffer', {
    flags: 'unsigned int',
    buffers: 'struct ring_buffer_per_cpu **',
    ...(order === undefined ? {} : { subbuf_order: 'unsigned int' }),
  });
  built.struct('array_buffer', { tr: 'struct trace_array *', buffer: 'struct trace_buffer *' });
  built.struct('trace_array', {
    list: 'struct list_head',
    array_buffer: 'struct array_buffer',
    max_buffer: 'struct array_buffer',
  });
  for (const i of [0, 1, 2, 3])
    built.place(`page${i}`, 'struct buffer_page', { page: 0xffff888020000000n + BigInt(i * 4096) });
  built.list('page0.list', ['page1.list', 'page2.list']);
  // The head page is marked in the pointer to it.
  built.write('page2.list.next', ref('page0.list', 1));
  built.place('cpu0', 'struct ring_buffer_per_cpu', {
    nr_pages: 3,
    pages: ref('page0.list'),
    reader_page: ref('page3'),
  });
  built.place('cpus', 'struct ring_buffer_per_cpu *[2]', [ref('cpu0'), 0]);
  built.place('buffer', 'struct trace_buffer', {
    buffers: ref('cpus'),
    ...(order === undefined ? {} : { subbuf_order: order }),
  });
  built.place('global', 'struct trace_array', { 'array_buffer.buffer': ref('buffer') });
  built.global('ftrace_trace_arrays', 'struct list_head');
  built.list('ftrace_trace_arrays', ['global.list']);
  return built;
}

describe('tracing buffers', () => {
  it('have pages in a ring, and one for the reader', () => {
    expect([...tracePages(programOfImage(image()))]).toEqual([
      { address: 0xffff888020003000n, order: 0 },
      { address: 0xffff888020000000n, order: 0 },
      { address: 0xffff888020001000n, order: 0 },
      { address: 0xffff888020002000n, order: 0 },
    ]);
  });

  it('have larger pages since 6.8', () => {
    expect([...tracePages(programOfImage(image(2)))].map(({ order }) => order)).toEqual([2, 2, 2, 2]);
  });

  it('are none in a kernel that cannot trace', () => {
    expect([...tracePages(programOfImage(new KernelImage()))]).toEqual([]);
  });

  it('that are damaged end with an error, or with their ring', () => {
    const built = image();
    built.write('cpu0.nr_pages', 1000);
    expect([...tracePages(programOfImage(built))]).toHaveLength(4);
    built.write('page1.list.next', 0x1230);
    expect(() => [...tracePages(programOfImage(built))]).toThrow(ValidationError);
    built.write('cpu0.nr_pages', 2n ** 40n);
    expect(() => [...tracePages(programOfImage(built))]).toThrow(ValidationError);
  });
});

describe.each(['order', 'size'] as const)('records of functions, with %s', (member) => {
  const built = (): KernelImage => {
    const records = new KernelImage();
    records.struct('dyn_ftrace', { ip: 'unsigned long', flags: 'unsigned long' });
    records.struct('ftrace_page', { next: 'struct ftrace_page *', records: 'void *', index: 'int', [member]: 'int' });
    // 2^3 pages of 16 bytes each, and one page.
    records.place('first', 'struct ftrace_page', {
      next: ref('second'),
      records: 0xffff888030000000n,
      [member]: member === 'order' ? 3 : (8 * 4096) / 16,
    });
    records.place('second', 'struct ftrace_page', {
      records: 0xffff888040000000n,
      [member]: member === 'order' ? 0 : 100,
    });
    records.global('ftrace_pages_start', 'struct ftrace_page *', ref('first'));
    return records;
  };

  it('are told block by block', () => {
    expect([...traceRecords(programOfImage(built()))]).toEqual([
      { address: 0xffff888030000000n, order: 3 },
      { address: 0xffff888040000000n, order: 0 },
    ]);
  });

  it('that lead back to themselves end with an error', () => {
    const records = built();
    records.write('second.next', ref('first'));
    expect(() => [...traceRecords(programOfImage(records))]).toThrow(ValidationError);
  });
});
