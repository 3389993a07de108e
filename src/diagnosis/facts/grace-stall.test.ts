import { describe, expect, it } from 'vitest';
import { CoreStore } from '../../../test/builders/core-store.ts';
import { contextOf } from '../../../test/builders/facts.ts';
import { openProgram, programOf } from '../../program/open.ts';
import { SAMPLE } from '../../../test/builders/sample.ts';
import { graceStallFact } from './grace-stall.ts';

const SECOND = 1_000_000_000n;

describe('grace-stall', () => {
  it('on a core of PREEMPT_RT: who spins on the CPU that a grace period of 139 s waits for', () => {
    const program = programOf(new CoreStore(`${import.meta.dirname}/../../../test/cores`).open('every-lock-rt'));
    const stall = contextOf(program).use(graceStallFact);
    expect(stall?.readers.map(({ task, at }) => [task.comm, at?.module])).toEqual([['spins', 'lockdev']]);
    expect(stall?.threshold).toBe(21n * SECOND);
    expect(Number(stall?.age ?? 0n) / 1e9).toBeCloseTo(139, -1);
    expect(stall?.behind.map(({ comm }) => comm)).toContain('bash');
  });

  it('on the sample, where a grace period may run as well: nothing', () => {
    expect(contextOf(openProgram(SAMPLE)).use(graceStallFact)).toBeUndefined();
  });
});
