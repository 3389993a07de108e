import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { OTHER, readsPages, rules, stepOf } from './steps.ts';

const frame = (file: string, name = 'f') => ({ file, name });

it('gives a sample to the innermost step that is known', () => {
  const page = [frame('src/dump/kdump.ts', 'readPage'), frame('src/dump/page-cache.ts', '#load')];
  const stacks = [...page, frame('src/kernel/stack.ts'), frame('src/diagnosis/facts/stacks.ts', 'derive')];
  const locks = [...stacks, frame('src/diagnosis/facts/locks.ts', 'derive'), frame('src/cli/core.ts')];
  expect(stepOf(locks)).toBe('facts: stacks');
  expect(readsPages(locks)).toBe(true);
  expect(stepOf([frame('node:internal/modules/esm/loader'), ...locks])).toBe('loading the bundle');
  expect(stepOf([...page, frame('src/debuginfo/open-btf.ts', 'openBtf')])).toBe('BTF: reading and records');
});

it('names files and functions that there are', () => {
  const root = join(import.meta.dirname, '..');
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map((path) => `src/${path}`)
    .filter((path) => path.endsWith('.ts'));
  for (const { step, file, names = [] } of rules.filter((rule) => !rule.file.source.startsWith('^node:'))) {
    const found = sources.filter((path) => file.test(path));
    expect(found, step).not.toEqual([]);
    const text = found.map((path) => readFileSync(join(root, path), 'utf8')).join('');
    for (const name of names) expect(text, step).toMatch(new RegExp(`^(export function |  )${name}[(<]`, 'm'));
  }
});

it('knows what V8 says of itself, and leaves the rest', () => {
  expect(stepOf([{ name: '(garbage collector)', file: '' }, frame('src/render/paint.ts')])).toBe('garbage collection');
  expect(stepOf([frame('node:zlib')])).toBe(OTHER);
  expect(readsPages([frame('src/dump/page-cache.ts', 'page')])).toBe(false);
});
