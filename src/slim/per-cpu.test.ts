import { expect, it } from 'vitest';
import { PageMachine } from '../../test/builders/page-machine.ts';
import { unlimited } from '../base/budget.ts';
import { LookupError } from '../base/errors.ts';
import { Keep } from './keep.ts';
import { Memmap } from './memmap.ts';
import { keepPerCpu } from './per-cpu.ts';

const PER_CPU = 0xffff88803f000000n;
const STRIDE = 1 << 20;
const FIRST_FRAME = 0x3f000;

/** Two CPUs, 0x3000 bytes of static variables, one chunk whose pages 0 and 65 have memory. */
function machine(lists: 'pcpu_chunk_lists' | 'pcpu_slot' | undefined): PageMachine {
  const built = new PageMachine();
  const { image } = built;
  built.maxPfn = 0x40000;
  image.cpus(2);
  image.symbol('__per_cpu_start', 0n, 0, 'A');
  image.symbol('__per_cpu_end', 0x3000n, 0, 'A');
  for (const cpu of [0, 1]) {
    image.bytes(`static ${cpu}`, new Uint8Array(0x3000).fill(1), { at: PER_CPU + BigInt(cpu * STRIDE) });
    for (const page of [0, 1, 65]) {
      image.bytes(`dynamic ${cpu} ${page}`, new Uint8Array(4096).fill(2), {
        at: PER_CPU + BigInt(cpu * STRIDE + 0x10000 + page * 4096),
      });
    }
  }
  image.struct('pcpu_chunk', {
    list: 'struct list_head',
    base_addr: 'void *',
    nr_pages: 'int',
    populated: 'unsigned long[2]',
  });
  image.place('chunk', 'struct pcpu_chunk', { base_addr: PER_CPU + 0x10000n, nr_pages: 66, populated: [1, 2] });
  image.place('lists', 'struct list_head[3]');
  image.list('lists[0]');
  image.list('lists[1]', ['chunk.list']);
  image.list('lists[2]');
  image.place('offsets', 'unsigned long[2]', [0, STRIDE]);
  image.global('pcpu_unit_offsets', 'unsigned long', image.address('offsets'));
  image.global('pcpu_nr_slots', 'int', 3);
  if (lists !== undefined) image.global(lists, 'unsigned long', image.address('lists'));
  return built;
}

function keepOf(built: PageMachine): { readonly run: () => void; readonly frames: () => number[] } {
  const program = built.open();
  const keep = new Keep(program.dump, new Memmap(program), unlimited);
  return {
    run: () => keepPerCpu(program, keep),
    frames: () => [...keep.frames].map((frame) => frame - FIRST_FRAME),
  };
}

it.each(['pcpu_chunk_lists', 'pcpu_slot'] as const)('keeps static variables and populated pages (%s)', (lists) => {
  const keep = keepOf(machine(lists));
  keep.run();
  const ofCpu = [0, 1, 2, 0x10, 0x10 + 65];
  expect(keep.frames()).toEqual([...ofCpu, ...ofCpu.map((page) => page + STRIDE / 4096)]);
});

it('keeps static variables when the chunks cannot be found', () => {
  const keep = keepOf(machine(undefined));
  expect(keep.run).toThrow(LookupError);
  const ofCpu = [0, 1, 2];
  expect(keep.frames()).toEqual([...ofCpu, ...ofCpu.map((page) => page + STRIDE / 4096)]);
});
