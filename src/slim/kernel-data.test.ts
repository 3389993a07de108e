import { describe, expect, it } from 'vitest';
import { PageMachine } from '../../test/builders/page-machine.ts';
import { phys, type VirtAddr } from '../base/address.ts';
import { unlimited } from '../base/budget.ts';
import { Keep } from './keep.ts';
import { keepBoot, keepLog, keepPageTables, keepStacks } from './kernel-data.ts';
import { Memmap } from './memmap.ts';
import type { Program } from '../program/program.ts';

function kept(built: PageMachine, find: (program: Program, keep: Keep) => void): number[] {
  const program = built.open();
  const keep = new Keep(program.dump, new Memmap(program), unlimited);
  find(program, keep);
  return [...keep.frames];
}

/** Pages of the kernel from a frame on. */
function pages(built: PageMachine, first: number, count: number): VirtAddr {
  for (let i = 0; i < count; i++) built.page(first + i);
  return built.address(first);
}

describe('the log', () => {
  it('is three rings since 5.10, each kept to its end', () => {
    const built = new PageMachine();
    const { image } = built;
    image.struct('prb_desc', { state_var: 'unsigned long', begin: 'unsigned long', next: 'unsigned long' });
    image.struct('printk_info', { seq: 'u64', rest: 'char[80]' });
    image.struct('prb_desc_ring', {
      count_bits: 'unsigned int',
      descs: 'struct prb_desc *',
      infos: 'struct printk_info *',
    });
    image.struct('prb_data_ring', { size_bits: 'unsigned int', data: 'char *' });
    image.struct('printk_ringbuffer', {
      desc_ring: 'struct prb_desc_ring',
      text_data_ring: 'struct prb_data_ring',
    });
    // 256 records: 6144 bytes of descriptors, 22528 of infos; 8192 of text.
    const ring = image.place('ring', 'struct printk_ringbuffer', {
      'desc_ring.count_bits': 8,
      'desc_ring.descs': pages(built, 0x20, 3),
      'desc_ring.infos': pages(built, 0x30, 8),
      'text_data_ring.size_bits': 13,
      'text_data_ring.data': pages(built, 0x40, 3),
    });
    image.global('prb', 'unsigned long', ring);
    expect(kept(built, keepLog)).toEqual([0x20, 0x21, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x40, 0x41]);
  });

  it('is one buffer before', () => {
    const built = new PageMachine();
    built.image.global('log_buf', 'unsigned long', pages(built, 0x20, 3));
    built.image.global('log_buf_len', 'int', 8192);
    expect(kept(built, keepLog)).toEqual([0x20, 0x21]);
  });
});

it('keeps stacks that begin inside a page whole, and knows that a stack was freed', () => {
  const built = new PageMachine();
  const { image } = built;
  image.struct('task_struct', { stack: 'void *' });
  image.symbol('__start_init_task', 0xffffffff81000000n);
  image.symbol('__end_init_task', 0xffffffff81004000n);
  const first = image.place('first', 'struct task_struct', { stack: pages(built, 0x20, 4) });
  const second = image.place('second', 'struct task_struct', { stack: 0 });
  const tasks = [{ address: first }, { address: second }];
  expect(kept(built, (program, keep) => keepStacks(program, keep, tasks))).toEqual([0x20, 0x21, 0x22, 0x23]);
});

it('keeps VMCOREINFO, nodes and the sections of the memory that there is', () => {
  const built = new PageMachine();
  const { image } = built;
  image.struct('pglist_data', { zones: 'char[5000]' });
  image.global('vmcoreinfo_data', 'unsigned long', pages(built, 0x20, 1));
  image.global('node_data', 'unsigned long[2]', [pages(built, 0x30, 2), 0]);
  image.vmcoreinfo('LENGTH(mem_section)', 1024);
  pages(built, 0x50, 1);
  pages(built, 0x60, 1);
  image.global('mem_section', 'unsigned long', pages(built, 0x40, 2));
  const roots = new Uint8Array(4096);
  new DataView(roots.buffer).setBigUint64(0, built.address(0x50), true);
  // Sections beyond the end of memory: nobody reads them.
  new DataView(roots.buffer).setBigUint64(1000, built.address(0x60), true);
  built.setPage(0x40, roots);
  expect(kept(built, keepBoot)).toEqual([0x20, 0x30, 0x31, 0x40, 0x41, 0x50]);
});

it('keeps the page tables that the architecture names', () => {
  const built = new PageMachine();
  pages(built, 0x20, 1);
  built.tables = [phys(0x20000n), phys(0x7fff0000n)];
  expect(kept(built, keepPageTables)).toEqual([0x20]);
});
