/** The lines are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import irq from './irq.ts';

const { run, json } = commandRunner([irq]);

test('descriptors and handlers', () => {
  const { lines } = run('irq');
  expect(lines.slice(0, 4)).toEqual([
    ' IRQ   IRQ_DESC/_DATA      IRQACTION      NAME',
    '  0   ffff888981159600  ffff888981155980  "timer"',
    '  1   ffff888981158000  ffff88899ff02e80  "i8042"',
    '  2   ffff888981159e00      (unused)',
  ]);
  expect(lines).toHaveLength(441);
  expect(run('irq -u').lines).toHaveLength(20);
  expect(run('irq 24').lines[1]).toBe(' 24   ffff8889824b8e00  ffff8889824da100  "nvme0q0"');
});

test('counts of the CPUs', () => {
  expect(run('irq -s').lines.slice(0, 3)).toEqual([
    '           CPU0       CPU1',
    '  0:        102          0  IO-APIC-edge     timer',
    '  1:          0          9  IO-APIC-edge     i8042',
  ]);
  expect(json('irq -s -c 1 24')).toMatchObject({ data: [{ irq: 24, counts: [{ cpu: 1, count: 12 }] }] });
});

test('soft interrupts', () => {
  expect(run('irq -b').lines.slice(0, 2)).toEqual([
    'SOFTIRQ_VEC      ACTION',
    '    [0]     ffffffff9989cca0  <tasklet_hi_action>',
  ]);
});

test('which CPUs they may go to', () => {
  expect(run('irq -a')).toMatchObject({
    lines: [
      'IRQ NAME                 AFFINITY',
      '  0 timer                0-1',
      '  1 i8042                0-1',
      '  4 ttyS0                0-1',
      '  8 rtc0                 0-1',
      '  9 acpi                 0-1',
      ' 12 i8042                0-1',
      ' 24 nvme0q0              0-1',
      ' 25 nvme0q1              0',
      ' 26 nvme0q2              1',
    ],
    problems: [],
  });
  expect(json('irq -a 26')).toMatchObject({ data: [{ irq: 26, cpus: [1], actions: [{ name: 'nvme0q2' }] }] });
});

test('the interrupt descriptor table', () => {
  const { lines } = run('irq -d');
  expect(lines).toHaveLength(256);
  expect(lines.slice(0, 2)).toEqual(['  [0] asm_exc_divide_error', '  [1] asm_exc_debug']);
  expect(lines[18]).toBe(' [18] early_idt_handler_array+162');
  expect(lines.slice(238, 241)).toEqual([
    '[238] spurious_entries_start+16',
    '[239] spurious_entries_start+24',
    '[240] asm_sysvec_kvm_posted_intr_nested_ipi',
  ]);
  expect(json('irq -d')).toMatchObject({
    data: expect.arrayContaining([
      { vector: 253, handler: '0xffffffff9a400ef0', symbol: 'asm_sysvec_reschedule_ipi' },
    ]) as unknown,
  });
});
