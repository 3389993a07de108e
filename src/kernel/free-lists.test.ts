import { expect, it } from 'vitest';
import { MemmapImage } from '../../test/builders/memmap.ts';
import { cpuFreeLists, freeListBlocks, freeLists, migrateTypes } from './free-lists.ts';

it('the free lists of the buddy allocator are told by order and migrate type', () => {
  const memory = new MemmapImage('6.1');
  memory.free(0x40, 3);
  memory.free(0x50, 3);
  memory.image.list('contig_page_data.node_zones[0].free_area[3].free_list[1]', ['memmap[64].lru', 'memmap[80].lru']);
  const program = memory.open();
  const lists = freeLists(program);
  expect(lists).toHaveLength(33);
  const filled = lists.filter((list) => [...freeListBlocks(program, list)].length > 0);
  expect(filled).toMatchObject([{ order: 3, migrateType: 'Movable' }]);
  const [list] = filled;
  expect(list && [...freeListBlocks(program, list)]).toEqual([memory.address(0x40), memory.address(0x50)]);
  expect([...migrateTypes(program)]).toEqual([
    [0, 'Unmovable'],
    [1, 'Movable'],
    [2, 'Reclaimable'],
  ]);
});

it('free pages of CPUs are told with their orders', () => {
  const memory = new MemmapImage('6.1');
  memory.freeOnCpu([5, 7]);
  // Order 2, the second migrate type.
  memory.image.list('pcp@0.lists[7]', ['memmap[32].lru']);
  memory.image.write('pcp@0.count', 6);
  expect(cpuFreeLists(memory.open())).toMatchObject([
    {
      cpu: 0,
      count: 6,
      problem: undefined,
      blocks: [
        { page: memory.address(5), order: 0 },
        { page: memory.address(7), order: 0 },
        { page: memory.address(32), order: 2 },
      ],
    },
  ]);
});

it('a list that does not end is told, and takes no other with it', () => {
  const memory = new MemmapImage('6.1');
  memory.freeOnCpu([5, 7]);
  memory.image.list('pcp@0.lists[3]', ['memmap[32].lru']);
  memory.image.write('memmap[7].lru.next', memory.address(5) + 8n);
  memory.image.write('pcp@0.count', 4);
  const [found] = cpuFreeLists(memory.open());
  expect(found?.problem).toBe('list 0 of CPU 0 breaks off after 2 blocks');
  expect(found?.blocks.map(({ page }) => page)).toContain(memory.address(32));
});
