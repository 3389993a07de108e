import { expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { MemmapImage } from '../../test/builders/memmap.ts';
import { ValidationError } from '../base/errors.ts';
import { iomemResources } from './iomem.ts';

it('the map of addresses is told from the top', () => {
  expect(iomemResources(new MemmapImage('6.1', { ram: 100 }).open())).toEqual([
    { name: 'System RAM', start: 0n, end: 409599n, depth: 0 },
    { name: 'Kernel code', start: 4096n, end: 12287n, depth: 1 },
  ]);
});

it('a tree that leads back to itself is an error', () => {
  const memory = new MemmapImage('6.1');
  memory.image.write('code.sibling', ref('ram'));
  expect(() => iomemResources(memory.open())).toThrow(ValidationError);
  memory.image.write('code.sibling', ref('code'));
  expect(() => iomemResources(memory.open())).toThrow(ValidationError);
});
