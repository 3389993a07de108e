/**
 * The case in proc-directory.ts as its users have it: a dump, and a type pack of its kernel. The kernel has no BTF and no ORC:
 * nothing but the two files is given.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { unlimited } from '../../src/base/budget.ts';
import { virt } from '../../src/base/address.ts';
import { memorySource } from '../../src/dump/byte-source.ts';
import { openSource } from '../../src/dump/open.ts';
import { diagnose } from '../../src/diagnosis/engine.ts';
import { readTasks } from '../../src/kernel/sched.ts';
import { type TaskStack, taskStack } from '../../src/kernel/stack.ts';
import type { Report } from '../../src/model/report.ts';
import { type DebugFile, openDebugFile } from '../../src/program/debug-file.ts';
import { programOf } from '../../src/program/open.ts';
import type { Program } from '../../src/program/program.ts';
import { readPack } from '../../src/program/type-pack.ts';
import { actionsOf, storyOf, textOf } from '../builders/text.ts';
import { declareC } from '../builders/c-types.ts';
import { TypeWords } from '../builders/types.ts';
import { differences } from '../../tools/check-c-types.ts';
import { BANNER, ProcDirectory } from './proc-directory.ts';
import { assumed, known } from './proc-directory-numbers.ts';

const PACK = join(import.meta.dirname, 'linux-3.10.types');
const END = assumed.clock;
const machine = new ProcDirectory();
const dump = machine.dump();
const open = (debugFile?: DebugFile): Program => programOf(openSource(memorySource(dump), 'vmcore'), { debugFile });

function reportOf(program: Program): Report {
  const steps = diagnose(program, unlimited);
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
  }
}

describe('the dump and the pack of its types', () => {
  const program = open(openDebugFile(PACK));
  const report = reportOf(program);
  const [answer] = report.findings;

  it('are of one kernel', () => {
    expect(program.problems).toEqual([]);
    expect(program.debugFile?.banner).toBe(BANNER);
    expect(report).toMatchObject({ complete: true, problems: [] });
  });

  it('give the answer', () => {
    expect(answer).toMatchObject({ cause: 'lock-holder-in-reclaim', role: 'cause', confidence: 'probable' });
    expect(textOf(answer?.title)).toBe(
      '748 tasks wait for the i_mutex of the directory /proc (proc); its holder ps (pid 24156) gets no memory and hardly a CPU.',
    );
    expect(answer?.details).toMatchObject({
      waiters: { total: known.waiters },
      holder: {
        task: { pid: known.holder.pid, address: known.holder.task },
        state: 'R',
        reclaim: 'wait_iff_congested',
        inPageFault: true,
        syscall: 'getdents',
        starved: true,
        runs: { value: known.holder.runs },
      },
    });
    expect(answer?.details['groups']).toMatchObject([
      {
        comm: 'top',
        count: assumed.tops,
        longest: { wait: { ns: END - known.longest.lastArrival } },
        launchers: { levels: [{ comm: 'timeout' }, { comm: 'crond' }] },
      },
      { comm: 'ps' },
    ]);
    expect(report.findings.map(({ cause }) => cause)).toContain('memory-short');
    expect(report.system.find(({ key }) => key === 'tasks')?.data).toMatchObject({
      uninterruptible: known.uninterruptible,
    });
    expect(storyOf(answer, 'waiters')).toContain('12 more tasks are in uninterruptible sleep');
    expect(actionsOf(answer)).toHaveLength(2);
  });

  it('give what the image itself gives', () => {
    const direct = reportOf(machine.program());
    expect(report.findings.map(({ title }) => textOf(title))).toEqual(
      direct.findings.map(({ title }) => textOf(title)),
    );
    expect(report.findings.map(({ details }) => details)).toEqual(direct.findings.map(({ details }) => details));
  });

  it('have stacks that are followed by frame pointers, through the page fault', () => {
    const stackOf = (pid: number): TaskStack => {
      const task = readTasks(program).tasks.find((each) => each.pid === pid);
      if (task === undefined) throw new Error(`no task ${pid}`);
      return taskStack(program, task);
    };
    const holder = stackOf(known.holder.pid);
    expect(holder).toMatchObject({ end: 'user', problem: undefined });
    expect(holder.frames.map(({ func }) => func)).toEqual([
      '__schedule',
      '__cond_resched',
      '_cond_resched',
      'wait_iff_congested',
      '__alloc_pages_nodemask',
      'alloc_pages_vma',
      'handle_pte_fault',
      'handle_mm_fault',
      '__do_page_fault',
      'do_page_fault',
      'page_fault',
      'filldir',
      'proc_fill_cache',
      'proc_pid_readdir',
      'proc_root_readdir',
      'vfs_readdir',
      'sys_getdents',
      'system_call_fastpath',
    ]);
    const sources = new Set(holder.frames.map(({ source }) => source));
    expect([...sources].sort()).toEqual(['exception', 'frame-pointer', 'registers']);
    // On a CPU: its registers are in the note of the dump.
    expect(stackOf(40)).toMatchObject({ end: 'end', registers: 'crash-note' });
    expect(stackOf(0).frames.map(({ func }) => func)).toEqual([
      '__schedule',
      'schedule',
      'cpu_idle',
      'start_secondary',
      'secondary_startup_64',
    ]);
    expect(report.unproven).toContain('stacks of tasks: followed by frame pointers');
  });
});

describe('the dump alone', () => {
  const program = open();
  const report = reportOf(program);

  it('tells its log, its memory and its clock, and names the file that would give the rest', () => {
    expect(report.complete).toBe(false);
    expect(report.problems.join('\n')).toMatch(
      /without the kernel's types .* the rest needs vmlinux-3\.10\.0 with debug information/,
    );
    expect(report.coverage.find(({ what }) => what === 'log records')).toMatchObject({ read: 2 });
    expect(report.findings.map(({ cause }) => cause)).toEqual(['crash-by-sysrq']);
    expect(report.findings.filter(({ confidence }) => confidence === 'certain')).toEqual([]);
    const told = report.system.map(({ key, value }) => `${key}: ${textOf(value)}`).join('\n');
    expect(told).toMatch(/3\.10\.0/);
    expect(told).toContain('uptime: 149186.552 s');
    expect(told).toContain(`memory: ${known.pages.total * 4096}`);
    expect(program.symbols.at(virt(machine.image.address('mutex_lock') + 0x20n))?.name).toBe('mutex_lock');
  });

  it('tells the tasks and their stacks by what they hold', () => {
    const { tasks } = readTasks(program);
    const whole = open(openDebugFile(PACK));
    const expected = readTasks(whole).tasks;
    expect(tasks.map(({ pid, comm }) => `${pid} ${comm}`)).toEqual(expected.map(({ pid, comm }) => `${pid} ${comm}`));
    expect(report.system.find(({ key }) => key === 'tasks')?.data).toMatchObject({
      uninterruptible: known.uninterruptible,
    });
    const stackIn = (of: Program, pid: number): readonly unknown[] => {
      const task = readTasks(of).tasks.find((each) => each.pid === pid);
      const stack = task === undefined ? undefined : taskStack(of, task);
      return [stack?.end, stack?.frames.map(({ func, sp, source }) => [func, sp, source])];
    };
    for (const pid of [1, known.holder.pid, 26_001]) expect(stackIn(program, pid)).toEqual(stackIn(whole, pid));
    expect(report.unproven.join()).toContain('struct task_struct: found by what it holds');
  });

  it('says of each question that it cannot answer what it lacks', () => {
    const skipped = report.checks.filter(({ status }) => status === 'skipped');
    expect(skipped.map(({ detector }) => detector)).toEqual(
      expect.arrayContaining(['lock-pileup', 'memory-shortage', 'oom-protection']),
    );
    for (const { reason } of skipped) expect(reason).toMatch(/type|^this kernel/);
    expect(report.checks.filter(({ status }) => status === 'failed')).toEqual([]);
  });
});

it('the pack has the types of linux-3.10.h: make it anew with tools/pack-case-types.ts when they changed', () => {
  const ours = new TypeWords();
  const names = declareC(ours, readFileSync(join(import.meta.dirname, 'linux-3.10.h'), 'utf8'));
  const { types, banner } = readPack(readFileSync(PACK), 'pack');
  expect(differences(names, ours, types)).toEqual([]);
  expect(names.length).toBeGreaterThan(60);
  expect(banner).toBe(BANNER);
});
