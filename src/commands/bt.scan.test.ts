/** The lines are crash 9.0.2's on the full dump that the sample was made of, but where crash is wrong. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import bt from './bt.ts';

const { run, json } = commandRunner([bt]);

test('-o: return addresses that older calls left, too', () => {
  const { lines } = run('bt -o 96');
  expect(lines.slice(0, 11)).toEqual([
    'PID: 96       TASK: ffff88899fc4a0c0  CPU: 1    COMMAND: "ps"',
    ' #0 [ffffd1ec00407a78] __schedule at ffffffff9a210e3d',
    ' #1 [ffffd1ec00407ad0] schedule at ffffffff9a21154a',
    ' #2 [ffffd1ec00407ae8] handle_userfault at ffffffff99bb40c1',
    ' #3 [ffffd1ec00407bd8] __handle_mm_fault at ffffffff99ac2707',
    ' #4 [ffffd1ec00407bf8] psi_task_switch at ffffffff99901117',
    ' #5 [ffffd1ec00407ca8] handle_mm_fault at ffffffff99ac280b',
    ' #6 [ffffd1ec00407ce0] do_user_addr_fault at ffffffff9987bbd1',
    ' #7 [ffffd1ec00407d28] exc_page_fault at ffffffff9a206ef0',
    ' #8 [ffffd1ec00407d50] asm_exc_page_fault at ffffffff9a400c02',
    '    [exception RIP: filldir64+149]',
  ]);
  // The words of the registers are none of their own.
  expect(lines.slice(18, 21)).toEqual([
    ' #9 [ffffd1ec00407e00] filldir64 at ffffffff99b67f4a',
    '#10 [ffffd1ec00407e40] dcache_readdir at ffffffff99b8453e',
    '#11 [ffffd1ec00407e80] iterate_dir at ffffffff99b67d3a',
  ]);
  expect(lines).toHaveLength(32);
  expect(run('bt -os 2').lines.slice(1)).toEqual([
    ' #0 [ffffd1ec0001be50] __schedule+845 at ffffffff9a210e3d',
    ' #1 [ffffd1ec0001bea8] schedule+90 at ffffffff9a21154a',
    ' #2 [ffffd1ec0001bec0] kthreadd+700 at ffffffff998bfffc',
    ' #3 [ffffd1ec0001bf50] ret_from_fork+34 at ffffffff998032f2',
  ]);
  // Cut while it was running: the word at its stack pointer is the return address of the function below.
  const idle = run('bt -o -c 1').lines;
  expect(idle[1]).toContain('native_safe_halt');
  expect(idle[2]).toBe(' #1 [ffffd1ec0009bed8] amd_e400_idle at ffffffff9983c09d');
  expect(json('bt -o 2')).toMatchObject({
    data: [{ old: [{ slot: '0xffffd1ec0001be50', function: '__schedule' }, {}, {}, {}] }],
  });
});

test('-e: registers of exceptions, and which of them are old', () => {
  const { lines } = run('bt -e 2');
  expect(lines.slice(1, 5)).toEqual([
    '',
    '  KERNEL-MODE EXCEPTION FRAME AT: ffffd1ec0001b998',
    '    [exception RIP: clear_page_erms+7]',
    '    RIP: ffffffff9a1c29b7  RSP: ffffd1ec0001ba40  RFLAGS: 00000246',
  ]);
  expect(lines.at(-2)).toBe('    ORIG_RAX: ffffffffffffffff  CS: 0010  SS: 0018');
  expect(lines.at(-1)).toBe('    (old, or a copy: no frame leads to it)');
  const frames = run('bt -e 1').lines.filter((line) => line.includes('FRAME AT') || line.includes('(old'));
  expect(frames).toEqual([
    '  KERNEL-MODE EXCEPTION FRAME AT: ffffd1ec00013ae0',
    '    (old, or a copy: no frame leads to it)',
    '  USER-MODE EXCEPTION FRAME AT: ffffd1ec00013f58',
  ]);
  expect(json('bt -e 96')).toMatchObject({
    data: [
      {
        exceptions: [
          { at: '0xffffd1ec00407d58', mode: 'kernel', live: true },
          { mode: 'user', live: true },
        ],
      },
    ],
  });
});

test('-E: the same on the stacks of CPUs', () => {
  const { lines, problems } = run('bt -E');
  expect(problems).toEqual([]);
  const heads = lines.filter((line) => /^CPU|FRAME AT/.test(line));
  expect(heads).toEqual([
    'CPU 0 IRQ STACK:',
    'CPU 1 IRQ STACK:',
    'CPU 0 DOUBLEFAULT EXCEPTION STACK:',
    'CPU 0 NMI EXCEPTION STACK:',
    'CPU 0 DEBUG EXCEPTION STACK:',
    'CPU 0 MCE EXCEPTION STACK:',
    'CPU 1 DOUBLEFAULT EXCEPTION STACK:',
    'CPU 1 NMI EXCEPTION STACK:',
    '  KERNEL-MODE EXCEPTION FRAME AT: fffffe0000048d88',
    '  KERNEL-MODE EXCEPTION FRAME AT: fffffe0000048ef8',
    // crash has two more, of words of the second one.
    'CPU 1 DEBUG EXCEPTION STACK:',
    'CPU 1 MCE EXCEPTION STACK:',
  ]);
  const at = lines.indexOf('  KERNEL-MODE EXCEPTION FRAME AT: fffffe0000048ef8');
  expect(lines.slice(at + 1, at + 3)).toEqual([
    '    [exception RIP: native_safe_halt+11]',
    '    RIP: ffffffff9a217a0b  RSP: ffffd1ec0009bed8  RFLAGS: 00000246',
  ]);
  expect(run('bt -E -c 0').lines.filter((line) => line.startsWith('CPU 1'))).toEqual([]);
  expect(json('bt -E -c 0')).toMatchObject({ data: [{ cpu: 0, stack: 'IRQ STACK', found: [] }, {}, {}, {}, {}] });
});

test('-S and -I: frames from a place of the user’s', () => {
  const frames = run('bt 96')
    .lines.slice(2, 5)
    .map((line) => line.slice(4));
  // A return address, or the instruction and the stack pointer in its function.
  expect(
    run('bt -S ffffd1ec00407ad0 96')
      .lines.slice(1, 4)
      .map((line) => line.slice(4)),
  ).toEqual(frames);
  expect(
    run('bt -I schedule+90 -S ffffd1ec00407ad8 96')
      .lines.slice(1, 4)
      .map((line) => line.slice(4)),
  ).toEqual(frames);
  expect(run('bt -S ffffd1ec00407ad8 96').failures[0]).toContain('there is no return address');
  expect(run('bt -I schedule 96').failures[0]).toContain('-I needs a stack pointer');
});
