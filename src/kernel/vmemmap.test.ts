import { describe, expect, it } from 'vitest';
import { MemmapImage } from '../../test/builders/memmap.ts';
import { ValidationError } from '../base/errors.ts';
import { Memmap, memorySections } from './vmemmap.ts';

describe('sections of memory', () => {
  it('are those with page structures', () => {
    const memory = new MemmapImage('6.1', { frames: 768 });
    memory.image.write('sections[1].section_mem_map', 0);
    // Not online: bit 2 is clear.
    memory.image.write('sections[2].section_mem_map', 0xffffea0000000003n);
    expect(memorySections(memory.open())).toEqual([
      { first: 0, count: 256, online: true },
      { first: 512, count: 256, online: false },
    ]);
  });

  it('are all online where no section has the bit (until 4.12)', () => {
    const memory = new MemmapImage('6.1', { frames: 256 });
    memory.image.write('sections[0].section_mem_map', 0xffffea0000000003n);
    expect(memorySections(memory.open())).toEqual([{ first: 0, count: 256, online: true }]);
  });

  it('are bounded', () => {
    const memory = new MemmapImage('6.1', { frames: 256 });
    memory.image.write('__highest_present_section_nr', 2n ** 60n);
    expect(() => memorySections(memory.open())).toThrow(ValidationError);
    memory.image.write('__highest_present_section_nr', 0);
    memory.image.write('roots[0]', 0x1234);
    expect(() => memorySections(memory.open())).toThrow(ValidationError);
  });
});

it('the memmap gives frames for pointers, and none for what is no element', () => {
  const memory = new MemmapImage('6.1');
  const memmap = new Memmap(memory.open());
  expect(memmap.frameAt(0x1000, 0xffffea00)).toBe(64);
  expect(memmap.frameAt(0x1001, 0xffffea00)).toBeNaN();
  expect(memmap.frameAt(0x40, 0xffffea01)).toBe(2 ** 26 + 1);
});

it('page structures are read by the chunk', () => {
  const memory = new MemmapImage('6.1', { frames: 256 });
  memory.page(200, { references: 77 });
  const program = memory.open();
  const [section] = memorySections(program);
  if (section === undefined) throw new Error('no section');
  const chunks = [...new Memmap(program).chunks(section)];
  expect(chunks).toHaveLength(1);
  const [chunk] = chunks;
  const offset = program.field('struct page', '_refcount').offset;
  expect(chunk?.words[200 * (chunk?.stride ?? 0) + offset / 4]).toBe(77);
  expect(chunk?.unreadable).toBe(0);
});
