import { expect, it } from 'vitest';
import { OTHER, readsPages, stepOf } from './steps.ts';

const frame = (file: string, name = 'f') => ({ file, name });

it('gives a sample to the innermost step that is known', () => {
  const page = [frame('src/dump/kdump.ts', 'readPage'), frame('src/dump/page-cache.ts', '#load')];
  const stacks = [...page, frame('src/kernel/stack.ts'), frame('src/diagnosis/facts/stacks.ts', 'derive')];
  const locks = [...stacks, frame('src/diagnosis/facts/locks.ts', 'derive'), frame('src/cli/core.ts')];
  expect(stepOf(locks)).toBe('facts: stacks');
  expect(readsPages(locks)).toBe(true);
  expect(stepOf([frame('node:internal/modules/esm/loader'), ...locks])).toBe('loading the bundle');
  expect(stepOf([...page, frame('src/program/open.ts', 'readBtf')])).toBe('BTF: reading and records');
});

it('knows what V8 says of itself, and leaves the rest', () => {
  expect(stepOf([{ name: '(garbage collector)', file: '' }, frame('src/render/paint.ts')])).toBe('garbage collection');
  expect(stepOf([frame('node:zlib')])).toBe(OTHER);
  expect(readsPages([frame('src/dump/page-cache.ts', 'page')])).toBe(false);
});
