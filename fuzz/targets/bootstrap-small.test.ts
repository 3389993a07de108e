import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { apply, type Op } from '../input.ts';
import { SMALL_BASES, smallBase } from './bootstrap-small.ts';

function run(name: string, ops: readonly Op[] = []): string {
  const base = smallBase(name);
  return String(base.run(apply(base.parts, ops), ops.length === 0)[0]);
}

describe('a kernel without VMCOREINFO', () => {
  it.each(SMALL_BASES)('is found as it was built: %s', (family) => {
    for (let i = 0; i < 8; i++) expect(run(`${family}${i}`)).toMatch(/^kernel found by /);
  });

  it('is not looked for in page tables that begin within a page and end in the next', () => {
    const damaged: Op = { op: 'set', part: '6145', at: 201, bytes: '33' };
    expect(run('processor#39', [damaged])).toBe(
      'kernel found by the page tables of CPU 1, VMCOREINFO read from memory',
    );
  });

  it('is none where a damaged page table leads elsewhere than its own text', () => {
    const damaged: Op = { op: 'set', part: '5121', at: 4080, bytes: 'f5' };
    expect(() => run('text#44', [damaged])).toThrow(UsageError);
  });
});
