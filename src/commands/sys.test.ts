/** The lines are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import sys from './sys.ts';

const { run, json } = commandRunner([sys]);

test('the machine at a glance', () => {
  const { lines, problems } = run('sys');
  expect(problems).toEqual([]);
  expect(lines.slice(2)).toEqual([
    '        CPUS: 2',
    '        DATE: Mon Nov 23 02:41:37 UTC 2026',
    '      UPTIME: 00:00:11',
    'LOAD AVERAGE: 5.21, 1.09, 0.35',
    '       TASKS: 163',
    '    NODENAME: (none)',
    '     RELEASE: 6.1.0-56-cloud-amd64',
    '     VERSION: #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)',
    '     MACHINE: x86_64  (2593 Mhz)',
    '      MEMORY: 511.5 MB',
    '       PANIC: "Kernel panic - not syncing: sysrq triggered crash"',
  ]);
});

test('taint, firmware, system calls', () => {
  expect(run('sys -t').lines).toEqual(['TAINTED_MASK: 0']);
  expect(run('sys -i').lines).toContain('           DMI_SYS_VENDOR: QEMU');
  expect(run('sys -c openat').lines.map((line) => line.slice(0, 26))).toEqual([
    'NUM  SYSTEM CALL          ',
    '257  __x64_sys_openat     ',
    '437  __x64_sys_openat2    ',
  ]);
  expect(run('sys -c nosuchcall').failures).toEqual(["sys: no system call matches 'nosuchcall'"]);
  expect(run('sys openat').failures[0]).toContain("'openat' belongs to -c");
});

test('JSON', () => {
  expect(json('sys')).toMatchObject({ values: { tasks: 163, nodename: '(none)', memory: 130_933 * 4096 } });
});

test('the configuration, which this kernel does not carry', () => {
  expect(run('sys config').failures).toEqual([
    'sys: this kernel does not carry its configuration: it was made without CONFIG_IKCONFIG',
  ]);
});
