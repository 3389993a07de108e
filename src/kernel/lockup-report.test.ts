import { describe, expect, it } from 'vitest';
import { nanoseconds } from '../base/units.ts';
import type { LogRecord } from './log-record.ts';
import { lockupReports } from './lockup-report.ts';

function log(text: string, facility = 0): LogRecord[] {
  return text
    .replace(/^\n/, '')
    .split('\n')
    .map((line, i) => ({
      seq: BigInt(i),
      timeNs: nanoseconds(5_000_000_000n),
      level: 1,
      facility,
      caller: undefined,
      continuation: false,
      device: undefined,
      text: line,
    }));
}

const REGISTERS = (cpu: number, pid: number, comm: string): string => `Modules linked in: ringdev(OE)
CPU: ${cpu} PID: ${pid} Comm: ${comm} Kdump: loaded Tainted: G           OE      6.1.0 #1
RIP: 0010:ringdev_wait_idle+0x9/0x20 [ringdev]
RIP: 0033:0x43db60`;

describe('soft lockups', () => {
  it.each([
    ['watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [ring d:161]', 'since 4.12'],
    ['NMI watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [ring d:161]', 'of 3.x'],
    ['BUG: soft lockup - CPU#1 stuck for 26s! [ring d:161]', 'of 2.6.32'],
  ])('%s (%s)', (headline) => {
    expect(lockupReports(log(`${headline}\n${REGISTERS(1, 161, 'ring d')}`))).toEqual([
      {
        kind: 'soft-lockup',
        headline,
        timeNs: 5_000_000_000n,
        cpus: [1],
        pid: 161,
        comm: 'ring d',
        stuck: 26_000_000_000n,
        at: { func: 'ringdev_wait_idle', offset: 9, module: 'ringdev' },
        owner: undefined,
      },
    ]);
  });

  it('takes no place from the registers of another CPU', () => {
    const [report] = lockupReports(log(`BUG: soft lockup - CPU#1 stuck for 26s! [a:1]\n${REGISTERS(0, 7, 'b')}`));
    expect(report).toMatchObject({ pid: 1, comm: 'a', at: undefined });
  });

  it('believes neither user space nor a line that only mentions one', () => {
    expect(lockupReports(log('BUG: soft lockup - CPU#1 stuck for 26s! [a:1]', 1))).toEqual([]);
    expect(lockupReports(log('saw BUG: soft lockup - CPU#1 stuck for 26s! [a:1]'))).toEqual([]);
  });
});

describe('hard lockups', () => {
  it.each([
    'NMI watchdog: Watchdog detected hard LOCKUP on cpu 3',
    'watchdog: Watchdog detected hard LOCKUP on cpu 3',
    'watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 3',
    'Watchdog detected hard LOCKUP on cpu 3',
  ])('%s', (headline) => {
    expect(lockupReports(log(`${headline}\n${REGISTERS(3, 9, 'x')}`))).toMatchObject([
      { kind: 'hard-lockup', cpus: [3], pid: 9, comm: 'x', at: { func: 'ringdev_wait_idle' } },
    ]);
  });
});

describe('hung tasks', () => {
  it('with the owner that new kernels name behind the stack', () => {
    const text = `
INFO: task rsync:731 blocked for more than 122 seconds.
      Tainted: G           OE      6.16.0 #1
task:rsync           state:D stack:0     pid:731
INFO: task rsync:731 is blocked on a mutex likely owned by task nfsd:90.
INFO: task my task:8:732 blocked for more than 122 seconds.
INFO: task my task:8:732 <reader> blocked on an rw-semaphore likely owned by task nfsd:91 <writer>`;
    expect(lockupReports(log(text))).toMatchObject([
      { kind: 'hung-task', comm: 'rsync', pid: 731, stuck: 122_000_000_000n, owner: { pid: 90, comm: 'nfsd' } },
      { comm: 'my task:8', pid: 732, owner: { pid: 91 } },
    ]);
  });

  it('without one', () => {
    const [report] = lockupReports(log('INFO: task cat:5 blocked for more than 120 seconds.'));
    expect(report).toMatchObject({ pid: 5, owner: undefined, cpus: [] });
  });
});

describe('RCU stalls', () => {
  it('of another CPU, as printed since 4.20', () => {
    const text = `
rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
rcu: \t1-...0: (1 GPs behind) idle=5a1c/1/0x4000000000000000 softirq=1042/1043 fqs=622
rcu: \t3-...!: (0 ticks this GP) idle=0d8c/0/0x0 softirq=0/0 fqs=0
\t(detected by 0, t=1502 jiffies, g=1361, q=49 ncpus=4)
Sending NMI from CPU 0 to CPUs 1:
NMI backtrace for cpu 1
${REGISTERS(1, 161, 'fwupd')}`;
    expect(lockupReports(log(text))).toMatchObject([{ kind: 'rcu-stall', cpus: [1, 3], pid: undefined }]);
  });

  it('of one other CPU: its registers are told', () => {
    const text = `rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
rcu: \t1-...0: (1 GPs behind) idle=5a1c/1/0x4000000000000000
\t(detected by 0, t=1502 jiffies, g=1361, q=49 ncpus=2)
${REGISTERS(1, 161, 'fwupd')}`;
    expect(lockupReports(log(text))).toMatchObject([
      { cpus: [1], pid: 161, comm: 'fwupd', at: { func: 'ringdev_wait_idle' } },
    ]);
  });

  it('of the CPU itself, in old and new words', () => {
    expect(
      lockupReports(
        log(`INFO: rcu_sched self-detected stall on CPU { 2}  (t=5250 jiffies g=1 c=0 q=9)\n${REGISTERS(2, 4, 'b')}`),
      ),
    ).toMatchObject([{ cpus: [2], pid: 4 }]);
    expect(
      lockupReports(log(`rcu: INFO: rcu_sched self-detected stall on CPU\nrcu: \t2-....: (5249 ticks this GP) idle=1`)),
    ).toMatchObject([{ cpus: [2], pid: undefined }]);
    expect(
      lockupReports(
        log('rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D } 21 jiffies s: 93 root: 0x2/.'),
      ),
    ).toMatchObject([{ cpus: [1] }]);
  });

  it('that was cut off', () => {
    expect(lockupReports(log('rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:'))).toMatchObject([{ cpus: [] }]);
  });
});

it('workqueue lockups: the CPU of a bound pool', () => {
  const text = `
BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 33s!
BUG: workqueue lockup - pool cpus=0-3 flags=0x4 nice=0 stuck for 40s!`;
  expect(lockupReports(log(text))).toMatchObject([
    { kind: 'workqueue-lockup', cpus: [1], stuck: 33_000_000_000n },
    { cpus: [], stuck: 40_000_000_000n },
  ]);
});

it('a CPU number out of all bounds is none', () => {
  expect(lockupReports(log('Watchdog detected hard LOCKUP on cpu 99999999999'))).toMatchObject([{ cpus: [] }]);
});
