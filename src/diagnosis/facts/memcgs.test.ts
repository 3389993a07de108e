import { expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { memcgImage } from '../../../test/builders/memcg.ts';
import type { Task } from '../../kernel/sched.ts';
import { memcgsFact } from './memcgs.ts';

it('finds the group of a task and the nearest limit above it', () => {
  const image = memcgImage();
  const context = contextOf(programOfImage(image));
  const { of, full, groups } = context.use(memcgsFact);
  expect(context.coverage).toEqual([{ what: 'memory cgroups', read: 3, total: 3, missing: [] }]);
  const own = of({ address: image.address('worker') } as Task);
  expect(own?.path).toBe('/box/in');
  // 500 of 512 pages: above 97 %, and above memory.high as well, which counts less.
  expect(own === undefined ? undefined : full(own)).toMatchObject({ group: { path: '/box' }, limit: 'max' });
  const [root] = groups;
  expect(root === undefined ? 'none' : full(root)).toBeUndefined();
});

it('says nothing of a kernel without memory cgroups, and of a task whose group cannot be read', () => {
  const image = memcgImage();
  image.write('worker.cgroups', 0);
  const { of } = contextOf(programOfImage(image)).use(memcgsFact);
  expect(of({ address: image.address('worker') } as Task)).toBeUndefined();
});
