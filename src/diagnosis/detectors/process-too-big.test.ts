import { describe, expect, it } from 'vitest';
import { memoryWith, mib } from '../../../test/builders/memory-state.ts';
import { virt } from '../../base/address.ts';
import type { Task } from '../../kernel/sched.ts';
import type { Finding } from '../../model/finding.ts';
import type { LargestProcess } from '../facts/largest-process.ts';
import processTooBig from './process-too-big.ts';

const task = { pid: 348, comm: 'java', address: virt(0xffff888100200000n) } as Task;

const JAVA: LargestProcess = {
  process: {
    task,
    threads: [task],
    standing: { scoreAdj: 0, exemption: undefined, badness: 1, pages: 1, score: 700, victim: false },
  },
  own: mib(700),
  mapped: mib(3),
  total: mib(1000),
  second: mib(40),
  whole: true,
};

function told(largest: LargestProcess | undefined, available: number | undefined): readonly Finding[] {
  const { memory, program } = memoryWith(available);
  return processTooBig.detector.run({ largest, memory }, program);
}

describe('process-too-big', () => {
  it('names the process that holds most of memory while it is short', () => {
    const [finding, ...more] = told(JAVA, 20);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'process-too-big',
      role: 'cause',
      confidence: 'probable',
      details: { culprit: { pid: 348 }, own: { value: mib(700) } },
    });
  });

  it('is less sure when a larger one may be missing', () => {
    expect(told({ ...JAVA, whole: false }, 20)).toMatchObject([{ confidence: 'possible' }]);
  });

  it('is silent where memory is left, or nothing is known of it', () => {
    expect(told(JAVA, 200)).toEqual([]);
    expect(told(JAVA, undefined)).toEqual([]);
  });

  it('is silent about one that is large by what it shares, and when it is not known', () => {
    expect(told({ ...JAVA, own: mib(100), mapped: mib(700) }, 20)).toEqual([]);
    expect(told(undefined, 20)).toEqual([]);
  });
});
