import { expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { MemmapImage } from '../../test/builders/memmap.ts';
import { ValidationError } from '../base/errors.ts';
import { vmallocAreas } from './vmalloc.ts';

it('vmalloc areas tell their pages and who asked for them', () => {
  const memory = new MemmapImage('6.1');
  memory.area('one', [3, 4], 'first_caller');
  memory.area('two', [9], 'second_caller');
  memory.image.write('two-vm.flags', 1);
  const program = memory.open();
  const areas = [...vmallocAreas(program)];
  expect(areas.map(({ kind, size, pageCount }) => ({ kind, size, pageCount }))).toEqual([
    { kind: 'alloc', size: 3 * 4096, pageCount: 2 },
    { kind: 'io', size: 2 * 4096, pageCount: 1 },
  ]);
  const [first] = areas;
  expect(first?.caller && program.symbols.at(first.caller)?.name).toBe('first_caller');
  expect(first?.start).toBe(0xffffc90000000000n);
});

it('an area without vm_struct is one of vm_map_ram()', () => {
  const memory = new MemmapImage('6.1');
  memory.area('one', [3], 'caller');
  memory.image.write('one.vm', 0);
  expect([...vmallocAreas(memory.open())]).toMatchObject([{ kind: 'ram', vm: undefined, pageCount: 0 }]);
});

it('an area whose vm_struct names another is not taken for it', () => {
  const memory = new MemmapImage('6.1');
  memory.area('one', [3], 'caller');
  memory.image.write('one-vm.addr', 0xffffc90000500000n);
  expect([...vmallocAreas(memory.open())]).toMatchObject([{ kind: 'other', pages: undefined }]);
});

it('absurd counts and lists are errors', () => {
  const memory = new MemmapImage('6.1');
  memory.area('one', [3], 'caller');
  memory.image.write('one-vm.nr_pages', 0xffffffff);
  expect(() => [...vmallocAreas(memory.open())]).toThrow(ValidationError);
  memory.image.write('one-vm.nr_pages', 1);
  memory.image.write('one.list.prev', ref('one'));
  expect(() => [...vmallocAreas(memory.open())]).toThrow(ValidationError);
});
