import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { textOf } from '../../../test/builders/text.ts';
import { virt } from '../../base/address.ts';
import type { Task } from '../../kernel/sched.ts';
import { memoryFact } from '../facts/memory.ts';
import { oomPanicFact, type OomPanic, type OomProcess } from '../facts/oom-panic.ts';
import oomPanic from './oom-panic.ts';

const MIB = 2 ** 20;

function process(pid: number, comm: string, mib: number, scoreAdj: number | undefined): OomProcess {
  const task = { pid, comm, address: virt(0xffff888000100000n + BigInt(pid) * 0x1000n) } as Task;
  const group = { comm, processes: 1, bytes: mib * MIB, largest: task, swap: 0, largestBytes: mib * MIB };
  return { task, group, scoreAdj, exempt: scoreAdj === -1000 };
}

function told(panic: OomPanic | undefined) {
  const program = programOfImage(new KernelImage());
  const memory = contextOf(program).use(memoryFact);
  return oomPanic.detector.run({ panic, memory }, program);
}

function panicOf(...lines: readonly string[]): OomPanic | undefined {
  const image = new KernelImage();
  placeLog(image, lines);
  return contextOf(programOfImage(image)).use(oomPanicFact);
}

const SMALL = process(50, 'sshd', 6, -1000);

describe('oom-panic', () => {
  it('names the exempt process that holds the memory', () => {
    const panic = {
      why: 'no-victim',
      text: 'System is deadlocked on memory',
      whole: true,
      largest: [process(331, 'qemu', 240, -1000), SMALL],
    } as const;
    const [finding] = told(panic);
    expect(finding).toMatchObject({
      cause: 'oom-no-victim',
      role: 'cause',
      confidence: 'certain',
      details: { culprit: { pid: 331 }, largest: [{ oomScoreAdj: -1000, exempt: true }, {}] },
    });
    expect(textOf(finding?.title ?? [])).toContain('qemu');
  });

  it('blames nobody for certain when the largest was not exempt: -998 does not protect', () => {
    const panic = {
      why: 'no-victim',
      text: 'System is deadlocked on memory',
      whole: true,
      largest: [process(331, 'qemu', 240, -998), SMALL],
    } as const;
    const [finding] = told(panic);
    expect(finding).toMatchObject({ confidence: 'probable', details: { culprit: undefined } });
    expect(finding?.remedies).toEqual([]);
  });

  it('blames nobody when processes are missing, as one of them may hold more', () => {
    const panic = {
      why: 'no-victim',
      text: 'System is deadlocked on memory',
      whole: false,
      largest: [process(331, 'qemu', 240, -1000), SMALL],
    } as const;
    const [finding] = told(panic);
    expect(finding).toMatchObject({ confidence: 'probable', details: { culprit: undefined } });
    expect(textOf(finding?.title ?? [])).toContain('of what could be read, most is held by');
    expect(finding?.remedies).toEqual([]);
  });

  it('tells a setting from a lack of victims', () => {
    const panic = {
      why: 'by-setting',
      text: 'Out of memory: system-wide panic_on_oom is enabled',
      whole: true,
      largest: [],
    } as const;
    expect(told(panic)[0]).toMatchObject({ cause: 'oom-panic-on-oom' });
  });

  it('goes on without what cannot be read', () => {
    const panic = {
      why: 'no-victim',
      text: 'System is deadlocked on memory',
      whole: true,
      largest: [process(7, 'a', 9, undefined)],
    } as const;
    expect(told(panic)[0]).toMatchObject({
      confidence: 'probable',
      evidence: [{ confidence: 'certain' }, { confidence: 'probable' }],
    });
  });
});

describe('the fact', () => {
  it('reads the panic texts, with no types for the rest', () => {
    const of = (text: string) => panicOf(`<0>[   10.000000] Kernel panic - not syncing: ${text}`)?.why;
    expect(of('System is deadlocked on memory')).toBe('no-victim');
    expect(of('Out of memory and no killable processes...')).toBe('no-victim');
    expect(of('Out of memory: compulsory panic_on_oom is enabled')).toBe('by-setting');
  });

  it('is silent about other panics, and about OOM kills that the machine survived', () => {
    expect(panicOf('<0>[   10.000000] Kernel panic - not syncing: sysrq triggered crash')).toBeUndefined();
    expect(panicOf('<3>[   10.000000] Out of memory: Killed process 96 (ps)')).toBeUndefined();
    expect(told(undefined)).toEqual([]);
  });
});
