import { describe, expect, it } from 'vitest';
import { unlimited } from '../../src/base/budget.ts';
import { diagnose } from '../../src/diagnosis/engine.ts';
import { meminfo } from '../../src/kernel/meminfo.ts';
import { mutexState } from '../../src/kernel/mutex.ts';
import type { Finding } from '../../src/model/finding.ts';
import type { Report } from '../../src/model/report.ts';
import type { Program } from '../../src/program/program.ts';
import type { KernelImage } from '../builders/image.ts';
import { actionsOf, storyOf, textOf } from '../builders/text.ts';
import { ProcDirectory } from './proc-directory.ts';
import { assumed, known } from './proc-directory-numbers.ts';

const PAGE = 4096;
const END = assumed.clock;

function reportOf(program: Program): Report {
  const steps = diagnose(program, unlimited);
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
  }
}

function answerTo(damage?: (image: KernelImage) => void): Finding | undefined {
  return reportOf(new ProcDirectory().program(damage)).findings[0];
}

describe('the case of a lock of /proc in a 3.10 kernel', () => {
  const machine = new ProcDirectory();
  const program = machine.program();
  const report = reportOf(program);
  const [answer, ...others] = report.findings;

  it('lies in memory as it did', () => {
    const offset = (type: string, member: string): number => program.field(`struct ${type}`, member).offset;
    expect([
      offset('mutex', 'count'),
      offset('mutex', 'wait_lock'),
      offset('mutex', 'wait_list'),
      offset('mutex', 'owner'),
      offset('mutex', 'spin_mlock'),
      offset('inode', 'i_mutex'),
    ]).toEqual([0, 4, 8, 24, 32, 160]);
    expect(mutexState(program, machine.image.address('proc_inode.i_mutex'))).toEqual({
      owner: known.holder.task,
      locked: true,
      hasWaiters: true,
      raw: BigInt.asUintN(32, BigInt(known.count)),
    });
  });

  it('has the memory that kmem -i showed', () => {
    const info = meminfo(program);
    expect(info.memTotal.value).toBe(known.pages.total * PAGE);
    expect(info.memFree.value).toBe(known.pages.free * PAGE);
    expect([info.cached.value, info.slab.value]).toEqual([known.cached, known.slab]);
    expect([info.swapTotal.value, info.swapFree.value]).toEqual([0, 0]);
    expect((info.committedAs.value ?? 0) / (info.commitLimit.value ?? 1)).toBeCloseTo(2.22, 3);
  });

  it('has its cause and its holder on the first line', () => {
    expect(answer).toMatchObject({ cause: 'lock-holder-in-reclaim', role: 'cause', detector: 'lock-pileup' });
    expect(textOf(answer?.title)).toBe(
      '748 tasks wait for the i_mutex of the directory /proc (proc); its holder ps (pid 24156) gets no memory and hardly a CPU.',
    );
    expect(answer?.details['lock']).toMatchObject({
      address: { value: machine.image.address('proc_inode.i_mutex') },
      ctype: 'struct mutex',
      member: 'i_mutex',
      path: '/proc',
      inodeKind: 'directory',
      fsType: 'proc',
    });
  });

  it('says why the holder does not go on: it needs a page, is alive, and starved of a CPU', () => {
    const why = storyOf(answer, 'why');
    expect(why).toMatch(
      /^ps \(pid 24156\) is runnable, without a CPU, in wait_iff_congested in getdents: its page fault/,
    );
    expect(why).toMatch(/needs a page, and it has to free one first, while memory is short\. It lives, but is starved/);
    expect(why).toMatch(
      /got one 225134 times, and of the 50486\.55206 s since it started it waited 49050\.0\d+ s for one/,
    );
    expect(answer?.details['holder']).toMatchObject({
      task: { pid: known.holder.pid, comm: 'ps', address: known.holder.task },
      state: 'R',
      certainty: 'exact',
      stall: 'runnable',
      inPageFault: true,
      syscall: 'getdents',
      reclaim: 'wait_iff_congested',
      runs: { value: known.holder.runs },
      waitedForCpu: { ns: known.holder.runDelay + (END - known.holder.lastQueued) },
      starved: true,
      offCpu: { ns: END - known.holder.lastArrival },
    });
  });

  it('counts 748 waiters, not 749 and not what the counter says, and each is one of the blocked tasks', () => {
    expect(answer?.details).toMatchObject({ waiters: { total: 748 }, victims: 748, locksBehind: [] });
    const queue = answer?.evidence.find(({ claim }) => textOf(claim).includes('on its list'));
    expect(textOf(queue?.claim)).toBe('748 waiters on its list, each found on the stack of the task that it names.');
    expect(report.system.find(({ key }) => key === 'tasks')?.data).toMatchObject({ uninterruptible: 760 });
    expect(storyOf(answer, 'waiters')).toContain('12 more tasks are in uninterruptible sleep, and not in this queue.');
  });

  it('knows who waits, since when, and who started them', () => {
    expect(answer?.details['groups']).toMatchObject([
      {
        comm: 'top',
        count: 744,
        longest: { wait: { ns: END - known.longest.lastArrival } },
        launchers: {
          levels: [
            { comm: 'timeout', processes: 744 },
            { comm: 'crond', processes: 1 },
          ],
        },
      },
      { comm: 'ps', count: 4 },
    ]);
    expect(storyOf(answer, 'launcher')).toBe(
      '744 tasks named top by 744 processes named timeout, all started by crond (pid 1207).',
    );
    // From the last arrival on a CPU, not from the start of the process: 50,433 s and not 104,671 s.
    expect(storyOf(answer, 'since')).toMatch(/^waiters: from 50433\.\d+ s to 50159\.\d+ s before the crash/);
    // As many in each step as the engineer would have counted: evenly from the first to the last, as the image has them.
    expect(answer?.growth).toMatchObject({ width: 30_000_000_000n, unknown: 0 });
    expect(answer?.growth?.steps.map(({ waiting }) => waiting)).toEqual([
      10, 92, 174, 256, 338, 419, 501, 583, 665, 747, 748,
    ]);
    expect(answer?.growth?.steps.map(({ from }) => from)[0]).toBe(50_460_000_000_000n);
    expect(storyOf(answer, 'since')).toMatch(/, growing \[10 92 .* 748\] \(30 s each\)\.$/);
  });

  it('closes the circle, and says what it does not explain', () => {
    expect(storyOf(answer, 'memory')).toMatch(/^Short: /);
    expect(storyOf(answer, 'memory')).toMatch(/^Those 748 hold .* what holds the rest, this does not explain\.$/m);
    const resident = answer?.details['victimsResident'] as { value: number };
    // Half of the memory.
    expect(resident.value / (known.pages.total * PAGE)).toBeCloseTo(0.49, 2);
    expect(storyOf(answer, 'clears')).toMatch(
      /^Only if memory comes free, in a closed loop: the 748 hold \d+ in anonymous pages until they go on, enough to end the shortage\.$/,
    );
  });

  it('advises to thin out what launches them and to raise the reserve, and not to kill', () => {
    expect(actionsOf(answer)).toEqual([
      'Keep crond (pid 1207) from starting another top while earlier ones wait.',
      expect.stringMatching(/^Once memory is under control, .* sysctl vm\.min_free_kbytes=161718: /),
    ]);
    expect(storyOf(answer, 'remedy').split('\n')).toHaveLength(2);
  });

  it('tells the shortage as what follows, with what the processes hold at most, and the trigger as no cause', () => {
    expect(others.map(({ cause, role }) => [cause, role])).toEqual([
      ['memory-short', 'symptom'],
      ['crash-by-sysrq', 'trigger'],
    ]);
    expect(others[0]?.details).toMatchObject({
      residentSum: { value: known.residentKiB * 1024 },
      groups: [{ comm: { value: 'top' }, processes: 744 }, { comm: { value: 'httpd' } }, {}, {}, {}],
    });
    expect(others[1]?.details).toMatchObject({ kind: 'sysrq', logTime: { ns: known.sysrq } });
  });

  it('is certain of nothing, as no real dump has proven these layouts, and misses nothing', () => {
    expect(report.findings.map(({ confidence }) => confidence)).toEqual(['probable', 'probable', 'probable']);
    for (const part of ['struct mutex', 'states of tasks', 'memory counters', 'log', 'CPU of a task'])
      expect(report.unproven.join('\n')).toContain(`${part}: `);
    expect(report).toMatchObject({ complete: true, problems: [] });
  });
});

describe('cases that look like it', () => {
  it('does not blame memory where there is enough', () => {
    const finding = answerTo((image) => {
      for (const counter of ['vm_stat[0]', 'node.node_zones[2].vm_stat[0]']) image.write(counter, 2_000_000);
    });
    expect(finding).toMatchObject({ cause: 'lock-holder-stuck', confidence: 'probable' });
    expect(actionsOf(finding).join()).not.toMatch(/min_free/);
  });

  it('does not call starved who waited no longer than it ran, and leaves a reserve alone that is large enough', () => {
    const finding = answerTo((image) => {
      image.write(`task${known.holder.pid}.start_time.tv_sec`, 1000);
      image.write('min_free_kbytes', 200_000);
    });
    expect(finding).toMatchObject({ cause: 'lock-holder-in-reclaim', details: { holder: { starved: false } } });
    expect(textOf(finding?.title)).toMatch(/its holder ps \(pid 24156\) gets no memory\.$/);
    expect(storyOf(finding, 'why')).not.toMatch(/starved/);
    expect(actionsOf(finding).join()).not.toMatch(/min_free/);
  });

  it('counts the same whatever the counter of the mutex says', () => {
    const finding = answerTo((image) => image.write('proc_inode.i_mutex.count', -1));
    expect(finding?.details).toMatchObject({ waiters: { total: 748 } });
  });
});
