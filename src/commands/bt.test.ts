/** The lines are crash 9.0.2's, with debuginfo, on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import bt from './bt.ts';

const { run, json } = commandRunner([bt]);
const WRITER = 'PID: 101      TASK: ffff88899fec0000  CPU: 1    COMMAND: "crond-log"';

test('a task that sleeps: frames, then the registers of its system call', () => {
  expect(run('bt 101')).toEqual({
    text: expect.any(String) as string,
    lines: [
      WRITER,
      ' #0 [ffffd1ec0042f868] __schedule at ffffffff9a210e3d',
      ' #1 [ffffd1ec0042f8c0] schedule at ffffffff9a21154a',
      ' #2 [ffffd1ec0042f8d8] rwsem_down_write_slowpath at ffffffff9a214865',
      ' #3 [ffffd1ec0042f990] path_openat at ffffffff99b61587',
      ' #4 [ffffd1ec0042fa38] do_filp_open at ffffffff99b62ebf',
      ' #5 [ffffd1ec0042fb58] do_sys_openat2 at ffffffff99b4a3ff',
      ' #6 [ffffd1ec0042fb98] __x64_sys_openat at ffffffff99b4aa4a',
      ' #7 [ffffd1ec0042fbc0] do_syscall_64 at ffffffff9a203f4d',
      ' #8 [ffffd1ec0042ff50] entry_SYSCALL_64_after_hwframe at ffffffff9a400126',
      '    RIP: 0000000000439dd1  RSP: 00007ffd458ee780  RFLAGS: 00000202',
      '    RAX: ffffffffffffffda  RBX: 0000000000000041  RCX: 0000000000439dd1',
      '    RDX: 0000000000000041  RSI: 00007ffd458ee890  RDI: 00000000ffffff9c',
      '    RBP: 00007ffd458ee890   R8: 0000000000000000   R9: 0000000000000000',
      '    R10: 0000000000000180  R11: 0000000000000202  R12: 00007ffd458eff99',
      '    R13: 0000000000000001  R14: 0000000000000001  R15: 0000000000000003',
      '    ORIG_RAX: 0000000000000101  CS: 0033  SS: 002b',
    ],
    problems: [],
    failures: [],
  });
});

test('an exception in the kernel: its registers instead of a frame', () => {
  const { lines } = run('bt 96');
  expect(lines.slice(8, 11)).toEqual([
    ' #7 [ffffd1ec00407d50] asm_exc_page_fault at ffffffff9a400c02',
    '    [exception RIP: filldir64+149]',
    '    RIP: ffffffff99b67fa5  RSP: ffffd1ec00407e08  RFLAGS: 00040206',
  ]);
  expect(lines[17]).toBe(' #8 [ffffd1ec00407e40] dcache_readdir at ffffffff99b8453e');
  expect(run('bt -e 96').lines.filter((line) => line.includes('FRAME AT'))).toEqual([
    '  KERNEL-MODE EXCEPTION FRAME AT: ffffd1ec00407d58',
    '  USER-MODE EXCEPTION FRAME AT: ffffd1ec00407f58',
  ]);
});

test('offsets, words, symbols and slab caches', () => {
  expect(run('bt -s 101').lines[1]).toBe(' #0 [ffffd1ec0042f868] __schedule+845 at ffffffff9a210e3d');
  expect(run('bt -sx 101').lines[1]).toBe(' #0 [ffffd1ec0042f868] __schedule+0x34d at ffffffff9a210e3d');
  expect(
    run('bt -f 101')
      .lines.slice(2, 4)
      .map((line) => line.trimEnd()),
  ).toEqual([
    '    ffffd1ec0042f870: 0000000000000002 0000000000000000',
    '    ffffd1ec0042f880: 0000000000000000 cce5c006f63b2b00',
  ]);
  expect(
    run('bt -F 101')
      .lines.slice(4, 8)
      .map((line) => line.trimEnd()),
  ).toEqual([
    '    ffffd1ec0042f890: [task_struct]    [task_struct]',
    '    ffffd1ec0042f8a0: [shmem_inode_cache] ffffd1ec0042f920',
    '    ffffd1ec0042f8b0: 0000000000000000 [task_struct]',
    '    ffffd1ec0042f8c0: schedule+90',
  ]);
  expect(run('bt -FF 101').lines[5]).toContain('[ffff88899fd6d094:shmem_inode_cache]');
});

test('all code on a stack, and the raw stack', () => {
  expect(run('bt -t 101').lines.slice(1, 3)).toEqual([
    '              START: __schedule at ffffffff9a210e3d',
    '  [ffffd1ec0042f868] __schedule at ffffffff9a210e3d',
  ]);
  expect(run('bt -T 101').lines[1]).toBe('  [ffffd1ec0042f4c8] mas_mab_cp at ffffffff9a1a7568');
  expect(run('bt -r 101').lines).toHaveLength(1025);
});

test('which tasks', () => {
  const headers = (line: string) =>
    run(line)
      .lines.filter((each) => each.startsWith('PID: '))
      .map((each) => each.slice(5, 8).trim());
  expect(headers('bt -a')).toEqual(['1', '0']);
  expect(headers('bt -a -n idle')).toEqual(['1']);
  expect(headers('bt -c 1')).toEqual(['0']);
  expect(headers('bt')).toEqual(['1']);
  expect(headers('bt -p')).toEqual(['1']);
  expect(headers('bt -R rwsem_down_write_slowpath 96 101')).toEqual(['101']);
  expect(headers('bt -R ffff88899fd6d080 96 101 103')).toEqual(['96', '101']);
  expect(run('bt 96 101').lines[29]).toBe('');
});

test('what is not known is said', () => {
  expect(run('bt -l 101').problems[0]).toContain('lines of source are not known');
  expect(run('bt -L 101').problems[0]).toContain('locals are not known');
  expect(run('bt -v').lines).toEqual(['No stack overflows detected']);
  expect(run('bt 9999').failures).toEqual(['no task has the pid 9999']);
  expect(run('bt -t -r').failures[0]).toContain('different views');
});

test('JSON', () => {
  expect(json('bt 101')).toHaveProperty('data[0].frames[2]', {
    slot: '0xffffd1ec0042f8d8',
    pc: '0xffffffff9a214865',
    function: 'rwsem_down_write_slowpath',
    offset: 789,
    found: 'orc',
  });
});
