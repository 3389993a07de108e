import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { setFree } from '../../../test/builders/memory-counters.ts';
import { textOf } from '../../../test/builders/text.ts';
import { bytes, nanoseconds } from '../../base/units.ts';
import type { PressureState } from '../../kernel/psi.ts';
import type { Finding } from '../../model/finding.ts';
import { memoryFact } from '../facts/memory.ts';
import { rssFact } from '../facts/rss.ts';
import { stacksFact } from '../facts/stacks.ts';
import { tasksFact } from '../facts/tasks.ts';
import swapThrashing from './swap-thrashing.ts';

const MIB = 2 ** 20;

interface Case {
  /** MiB of 64 that are free. */
  readonly swapFree?: number | undefined;
  /** Of the last ten seconds; undefined without accounts. */
  readonly pressure?: number | undefined;
  readonly func?: string;
  readonly workers?: number;
  /** For what the kernel counts them as waiting; undefined where it does not account it. */
  readonly stall?: 'memory' | 'io' | 'nothing' | undefined;
  /** Pages of each that are in swap. */
  readonly swapped?: number;
  /** Of the last ten seconds. */
  readonly io?: number;
}

/** TSK_IOWAIT, TSK_MEMSTALL, TSK_RUNNING. */
const FLAGS = { io: 0b001, memory: 0b010, nothing: 0b100 };

/** Workers that are getting pages back from swap, on a machine that is short of memory. */
function told(some: Case): readonly Finding[] {
  const { swapFree, pressure, func, workers, stall, swapped, io } = {
    swapFree: 1,
    pressure: 0.4,
    func: 'do_swap_page',
    workers: 4,
    stall: 'memory' as const,
    swapped: 512,
    io: 0,
    ...some,
  };
  const incident = new Incident();
  const stack = ['folio_wait_bit_common', func, '__handle_mm_fault', 'asm_exc_page_fault'];
  incident.tasks(workers, 'java', (i) => ({ pid: 50 + i, state: 'D', stack }));
  const program = incident.program((image) => {
    setFree(image, 10 * MIB);
    if (stall === undefined) return;
    image.enum('psi_task_count', ['NR_IOWAIT', 'NR_MEMSTALL', 'NR_RUNNING']);
    for (let pid = 50; pid < 50 + workers; pid++) {
      image.write(`task${pid}.psi_flags`, FLAGS[stall]);
      image.write(`mm${pid}.rss_stat.count[2]`, swapped);
    }
  });
  const context = contextOf(program);
  const memory = context.use(memoryFact);
  const known = (mib: number | undefined) => ({
    value: mib === undefined ? undefined : bytes(mib * MIB),
    source: 'test',
    problem: undefined,
  });
  const info = { ...memory.info, swapTotal: known(64), swapFree: known(swapFree) };
  const state: PressureState | undefined =
    pressure === undefined
      ? undefined
      : {
          updated: nanoseconds(1n),
          pressures: [
            { of: 'io', kind: 'some', averages: [io, 0, 0], total: nanoseconds(0n) },
            { of: 'memory', kind: 'some', averages: [pressure, 0, 0], total: nanoseconds(0n) },
          ],
        };
  return swapThrashing.detector.run(
    {
      memory: { ...memory, info },
      pressure: state,
      tasks: context.use(tasksFact),
      stacks: context.use(stacksFact),
      rss: context.use(rssFact),
    },
    program,
  );
}

describe('swap-thrashing', () => {
  it('speaks of full swap while tasks wait for memory', () => {
    const [finding, ...more] = told({});
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'swap-thrashing',
      role: 'cause',
      confidence: 'certain',
      details: { pressure: { value: 0.4 }, swappingIn: [{ pid: 50 }, {}, {}, {}] },
    });
  });

  it('is less sure when nobody was reading at that moment, or without accounts', () => {
    expect(told({ func: 'do_anonymous_page' })[0]?.confidence).toBe('probable');
    expect(told({ pressure: undefined })[0]?.confidence).toBe('probable');
  });

  it('is not certain by the names of functions alone', () => {
    const [finding] = told({});
    expect(finding?.evidence.map(({ confidence }) => confidence)).toEqual(Array(5).fill('certain'));
    // Not counted as waiting, not accounted, or without a page in swap.
    for (const doubt of [{ stall: 'nothing' }, { stall: undefined }, { swapped: 0 }] as const) {
      const [doubted] = told(doubt);
      expect(doubted).toMatchObject({ confidence: 'probable', because: [expect.stringContaining('stacks alone')] });
      expect(doubted?.evidence.slice(2).map(({ confidence }) => confidence)).toEqual(Array(3).fill('probable'));
    }
  });

  it('speaks where tasks wait for I/O in place of memory, as with a slow device', () => {
    const slow = { stall: 'io', io: 0.3, pressure: 0.02 } as const;
    const [finding] = told(slow);
    // Pressure for I/O counts other disks, too.
    expect(finding).toMatchObject({
      confidence: 'probable',
      because: [expect.stringContaining('all other I/O')],
      details: { pressure: { value: 0.3 }, waitedFor: 'I/O' },
    });
    expect(textOf(finding?.title ?? [])).toContain('tasks waited for I/O');
    // Pressure for memory itself proves more than a larger one for I/O.
    expect(told({ ...slow, pressure: 0.11 })[0]).toMatchObject({
      confidence: 'certain',
      details: { pressure: { value: 0.11 }, waitedFor: 'memory' },
    });
    // One or two may wait for another disk beside them.
    expect(told({ ...slow, workers: 2 })).toEqual([]);
    expect(told({ ...slow, stall: 'nothing' })).toEqual([]);
    expect(told({ ...slow, io: 0.05 })).toEqual([]);
  });

  it('is silent where swap is full of what nobody asks for, and where there is room in it', () => {
    expect(told({ pressure: 0.01 })).toEqual([]);
    expect(told({ swapFree: 30 })).toEqual([]);
    expect(told({ pressure: undefined, workers: 2 })).toEqual([]);
  });

  it('claims nothing when swap cannot be read', () => {
    expect(told({ swapFree: undefined })).toEqual([]);
  });
});
