import { expect, it } from 'vitest';
import { lineDifference, parseAddr2line } from './lines.ts';

/** As addr2line 2.47 prints it. */
const OUTPUT = `0xffffffff81345678
hmm_pfns_fill
debian/build/build_amd64/mm/hmm.c:47
hmm_vma_walk_test
debian/build/build_amd64/./mm/hmm.c:539 (discriminator 2)
0xffffffff81025a1c
xen_halt
irq.c:?
0xffffffff81025a20
??
??:0
`;

const parsed = parseAddr2line(OUTPUT);
const HMM = [
  { func: 'hmm_pfns_fill', file: 'mm/hmm.c', line: 47 },
  { func: 'hmm_vma_walk_test', file: 'mm/hmm.c', line: 539 },
];
const theirs = (address: bigint) => parsed.get(address) ?? [];

it('what addr2line prints is read, and equal frames are equal', () => {
  expect([...parsed.keys()]).toEqual([0xffffffff81345678n, 0xffffffff81025a1cn, 0xffffffff81025a20n]);
  expect(lineDifference(HMM, theirs(0xffffffff81345678n))).toBeUndefined();
  expect(lineDifference([], theirs(0xffffffff81025a20n))).toBeUndefined();
});

it.each([
  ['code between functions: a name and no line for addr2line, nothing for us', [], 0xffffffff81025a1cn],
  ['no line is told by us', [], 0xffffffff81345678n],
  ['no line is told by addr2line', HMM, 0xffffffff81025a20n],
  ['the number of functions', HMM.slice(1), 0xffffffff81345678n],
  ['file or line', [{ ...HMM[0], line: 48 }, HMM[1]], 0xffffffff81345678n],
  ['file or line', [{ ...HMM[0], file: 'm/hmm.c' }, HMM[1]], 0xffffffff81345678n],
  ['the name of a function', [{ ...HMM[0], func: 'other' }, HMM[1]], 0xffffffff81345678n],
] as const)('%s', (kind, ours, address) => {
  expect(lineDifference(ours as Parameters<typeof lineDifference>[0], theirs(address))).toBe(kind);
});
