/**
 * What the engineer of the case did by hand, step by step, in crash's spelling: on the image of his 3.10 kernel, where his own
 * numbers come out, and on a real dump of 6.1, where crash 9.0.2 gives the same. `| wc -l` and the like are done here.
 */
import { describe, expect, it } from 'vitest';
import { loadCommands } from '../../src/cli/commands.ts';
import { commandRunner, type CommandRunner } from '../builders/commands.ts';
import { ProcDirectory } from './proc-directory.ts';
import { assumed, known } from './proc-directory-numbers.ts';

const commands = await loadCommands();
const machine = new ProcDirectory();
const old = commandRunner(commands, machine.program());
const today = commandRunner(commands);

/** A line's answer, which lacks nothing; blanks at the ends of lines are nobody's. */
function lines({ run }: CommandRunner, line: string): string[] {
  const { lines: shown, failures } = run(line);
  expect(failures, line).toEqual([]);
  return shown.map((each) => each.trimEnd());
}

/** As `| grep PATTERN | wc -l`. */
const count = (shown: readonly string[], pattern: RegExp): number => shown.filter((each) => pattern.test(each)).length;
/** Functions of a stack, innermost first. */
const functions = (shown: readonly string[]): string[] =>
  shown.flatMap((each) => / \] (\S+) at /.exec(each.replace(']', ' ]'))?.[1] ?? []);
const hexOf = (value: bigint): string => value.toString(16).padStart(16, '0');

const MUTEX = hexOf(machine.image.address('proc_inode.i_mutex'));
const OLD_INODE = hexOf(machine.image.address('proc_inode'));
const HOLDER = known.holder;
const RWSEM = 'ffff88899fd6d080';

describe('the memory', () => {
  it('kmem -i', () => {
    const shown = lines(old, 'kmem -i');
    expect(shown[1]).toBe(`    TOTAL MEM  ${known.pages.total}      15.4 GB         ----`);
    expect(shown[2]).toBe(`         FREE    ${known.pages.free}      80.6 MB    0% of TOTAL MEM`);
    expect(shown[5]).toMatch(/CACHED +10496 +41 MB/);
    expect(shown[6]).toMatch(/SLAB +59392 +232 MB/);
    expect(shown.at(-1)).toMatch(/COMMITTED .* 22[12]% of TOTAL LIMIT/);
    expect(lines(today, 'kmem -i').slice(1, 3)).toEqual([
      '    TOTAL MEM    79294     309.7 MB         ----',
      '         FREE    48361     188.9 MB   60% of TOTAL MEM',
    ]);
  });

  it('ps -G, and the sum of RSS that counts what is shared for each', () => {
    const rss = (runner: CommandRunner, name = /./): number[] =>
      lines(runner, 'ps -G')
        .slice(1)
        .filter((row) => name.test(row))
        .map((row) => Number(row.slice(2).trim().split(/\s+/)[7]));
    expect(rss(old).reduce((a, b) => a + b, 0)).toBe(known.residentKiB);
    expect(new Set(rss(old, / top$/))).toEqual(new Set([known.topKiB]));
    expect(Math.max(...rss(today))).toBe(49828);
  });
});

describe('the blocked tasks', () => {
  it('ps | grep UN | wc -l', () => {
    expect(count(lines(old, 'ps'), / UN /)).toBe(known.uninterruptible);
    expect(lines(old, 'ps -S')).toContain(`  UN: ${known.uninterruptible}`);
    expect(count(lines(today, 'ps'), / UN /)).toBe(51);
  });

  it('ps -l of them: when the latest of those that wait for the lock last ran', () => {
    const stamps = lines(old, 'foreach UN ps -l').filter((row) => /"(?:top|ps)"$/.test(row));
    expect(stamps).toHaveLength(known.waiters);
    expect(stamps[0]).toMatch(new RegExp(`^\\[ *${known.latest}\\] \\[UN\\]`));
    expect(lines(today, 'foreach UN ps -l')[0]).toMatch(/^\[ 5294037184\] \[UN\] {2}PID: 202 /);
  });

  it('bt of one: it looks a name up', () => {
    const stack = functions(lines(old, 'bt 26001'));
    expect(stack.slice(3, 7)).toEqual(['__mutex_lock_slowpath', 'mutex_lock', 'lookup_slow', 'link_path_walk']);
    expect(functions(lines(today, 'bt 106')).slice(3, 6)).toEqual([
      'rwsem_down_read_slowpath',
      'down_read',
      'walk_component',
    ]);
  });

  it('task -R sched_info of one: since when, and never since', () => {
    expect(lines(old, 'task -R sched_info 26001').join()).toContain(`last_arrival = ${known.longest.lastArrival}`);
    expect(lines(today, 'task -R sched_info 106').join()).toMatch(/last_arrival = 49\d{8}/);
  });

  it('task -R signal, signal_struct.oom_score_adj_min', () => {
    for (const [runner, pid] of [
      [old, 26001],
      [today, 106],
    ] as const) {
      const signal = /signal = 0x([0-9a-f]+)/.exec(lines(runner, `task -R signal ${pid}`).join())?.[1] ?? '';
      expect(lines(runner, `signal_struct.oom_score_adj_min ${signal}`).join()).toMatch(
        /^ {2}oom_score_adj_min = -?\d+,?$/,
      );
    }
  });

  it('ps -p and ps -t of the one that waits longest: who started it, and when', () => {
    expect(count(lines(old, 'ps -p 26001'), /"(?:crond|timeout|top)"$/)).toBe(3);
    expect(lines(old, 'ps -t 26001')).toContain(`  START TIME: ${known.longest.start}`);
    expect(count(lines(today, 'ps -p 106'), /"(?:init|crond|timeout|top)"$/)).toBe(4);
    expect(lines(today, 'ps -t 106')).toContain('  START TIME: 4961095080');
  });
});

describe('the crash', () => {
  it('dmesg | grep -i sysrq', () => {
    expect(lines(old, 'dmesg').filter((row) => /sysrq/i.test(row))).toEqual([
      '[149186.504000] SysRq : Trigger a crash',
    ]);
    expect(lines(today, 'log').filter((row) => /sysrq: /i.test(row))[0]).toMatch(/sysrq: Trigger a crash$/);
  });
});

describe('the lock', () => {
  it('dis, then words of the stack: which lock it is', () => {
    // The image of 3.10 has no code. What the call of the slow path left on the stack is the lock in both.
    expect(lines(today, 'dis -r ffffffff9a2140d2').join('\n')).toMatch(/call +0x[0-9a-f]+ <schedule_preempt_disabled>/);
    expect(lines(today, 'bt -FF 106').join('\n')).toContain(`[${RWSEM}:shmem_inode_cache]`);
    const waiter = hexOf(machine.image.address('waiter26001'));
    expect(lines(old, 'bt -f 26001').join('\n')).toContain(MUTEX.slice(0, 13));
    expect(lines(old, `mutex_waiter.task ${waiter}`).join()).toContain('task = 0x');
  });

  it('inode.i_mutex: the count, which counts no waiters, and the owner', () => {
    const shown = lines(old, `inode.i_mutex ${OLD_INODE}`).join('\n');
    expect(shown).toContain(`counter = ${known.count}`);
    expect(shown).toContain(`owner = 0x${hexOf(HOLDER.task)}`);
    const rwsem = lines(today, `struct rw_semaphore ${RWSEM} -x`).join('\n');
    expect(rwsem).toContain('counter = 0x102');
    expect(rwsem).toContain('counter = 0xffff88899fc4a0c3');
  });

  it('bt of the owner: why it does not go on', () => {
    const stack = functions(lines(old, `bt ${hexOf(HOLDER.task)}`));
    for (const each of ['wait_iff_congested', '__alloc_pages_nodemask', 'filldir', 'proc_pid_readdir'])
      expect(stack).toContain(each);
    expect(functions(lines(today, 'bt ffff88899fc4a0c0'))).toContain('handle_userfault');
  });

  it('task -R sched_info of the owner: it runs now and then, and waits for a CPU', () => {
    const shown = lines(old, `task -R sched_info ${HOLDER.pid}`).join('\n');
    expect(shown).toContain(`pcount = ${HOLDER.runs}`);
    expect(shown).toContain(`run_delay = ${HOLDER.runDelay}`);
    expect(shown).toContain(`last_arrival = ${HOLDER.lastArrival}`);
    expect(shown).toContain(`last_queued = ${HOLDER.lastQueued}`);
    expect(lines(today, 'task -R sched_info 96').join()).toContain('last_arrival = 2876166811');
  });

  it('list of the waiters, two lines for each: one entry too many when it starts at a waiter, as he did', () => {
    const first = /next = 0x([0-9a-f]+)/.exec(lines(old, `mutex.wait_list ${MUTEX}`).join())?.[1] ?? '';
    const his = lines(old, `list -l mutex_waiter.list -s mutex_waiter.task ${first}`);
    expect(his).toHaveLength(2 * (known.waiters + 1));
    const ours = lines(old, `list -H ${MUTEX}+8 -l mutex_waiter.list -s mutex_waiter.task`);
    expect(ours).toHaveLength(2 * known.waiters);
    expect(lines(today, 'list -H ffff88899fd6d098 -s rwsem_waiter.task,type -l rwsem_waiter.list')).toHaveLength(
      3 * 51,
    );
  });
});

describe('the same in one command of ours', () => {
  it('waiters, why, hang', () => {
    const shown = lines(old, `waiters ${MUTEX}`);
    expect(shown[0]).toContain(`ps (pid ${HOLDER.pid}) has it (the lock names it)`);
    expect(count(shown, /^ *\d+ +\d+ +D .* top$/)).toBe(assumed.tops);
    expect(lines(today, 'why 106').join('\n')).toContain(`at 0x${RWSEM}); ps (pid 96) has it`);
    expect(lines(today, 'hang').join('\n')).toContain('ps (pid 96)');
  });
});
