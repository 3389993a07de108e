import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  CACHE_LIMIT,
  MEMMAP_LIMIT,
  PAGE_CLASSES,
  PAGE_TABLE_LIMIT,
  PER_CPU_LIMIT,
  POLICY_VERSION,
  RECLAIMABLE_CACHE_LIMIT,
} from './policy.ts';

const text = readFileSync(join(import.meta.dirname, '../../docs/slim.md'), 'utf8').replace(/\s+/g, ' ');

it('is the policy that the documentation describes', () => {
  expect(text).toContain(`version ${POLICY_VERSION}:`);
  const rows = [...text.matchAll(/\| `([a-z-]+)` \|/g)].map((row) => row[1]);
  expect(rows).toEqual(Object.keys(PAGE_CLASSES));
});

it('has the limits that the documentation names', () => {
  const mib = (bytes: number): string => `${bytes / 2 ** 20} MiB`;
  expect(text).toContain(`whole while it has at most ${mib(CACHE_LIMIT)}`);
  expect(text).toContain(`are whole up to ${mib(RECLAIMABLE_CACHE_LIMIT)}`);
  expect(text).toContain(`when they have at most ${mib(MEMMAP_LIMIT)}`);
  expect(text).toContain(`upper levels first, up to ${mib(PAGE_TABLE_LIMIT)}`);
  expect(text).toContain(`dynamic chunks, up to ${mib(PER_CPU_LIMIT)}`);
});
