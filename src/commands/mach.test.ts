import { describe, expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import mach from './mach.ts';

const { run, json } = commandRunner([mach]);

describe('mach', () => {
  // The lines of crash 9.0.2 on the full dump, which has no MCE stack on 6.1. Stacks that the sample has not are so marked.
  it('describes the machine', () => {
    const { lines } = run('mach');
    expect(lines.slice(0, 16)).toEqual([
      '          MACHINE TYPE: x86_64',
      '           MEMORY SIZE: 511.5 MB',
      '                  CPUS: 2',
      '       PROCESSOR SPEED: 2593 Mhz',
      '                    HZ: 250',
      '             PAGE SIZE: 4096',
      '   KERNEL VIRTUAL BASE: ffff888980000000',
      '   KERNEL VMALLOC BASE: ffffd1ec00000000',
      '   KERNEL VMEMMAP BASE: fffffb3ec0000000',
      '      KERNEL START MAP: ffffffff80000000',
      '   KERNEL MODULES BASE: ffffffffc0000000',
      '     KERNEL STACK SIZE: 16384',
      '        IRQ STACK SIZE: 16384',
      '            IRQ STACKS:',
      expect.stringMatching(/^ {17}CPU 0: ffffd1ec00000000/),
      expect.stringMatching(/^ {17}CPU 1: ffffd1ec000cd000/),
    ]);
    expect(lines.join('\n')).toContain('DOUBLEFAULT STACKS:\n                 CPU 0: fffffe0000009000');
    expect(lines.join('\n')).toContain('CPU 1: fffffe0000050000 [unavailable]');
  });

  it('-m has the map that the firmware gave', () => {
    expect(run('mach -m').lines).toEqual([
      '      PHYSICAL ADDRESS RANGE         TYPE',
      '0000000000000000 - 0000000000001000  E820_RESERVED',
      '0000000000001000 - 000000000009fc00  E820_RAM',
      '000000000009fc00 - 00000000000a0000  E820_RESERVED',
      '00000000000f0000 - 0000000000100000  E820_RESERVED',
      '0000000000100000 - 000000001ffd7000  E820_RAM',
      '000000001ffd7000 - 0000000020000000  E820_RESERVED',
      '00000000fffc0000 - 0000000100000000  E820_RESERVED',
      '000000fd00000000 - 0000010000000000  E820_RESERVED',
    ]);
  });

  it('-c has what each CPU says', () => {
    const { lines } = run('mach -c');
    expect(lines.slice(0, 2)).toEqual(['CPU 0:', 'struct cpuinfo_x86 {']);
    expect(lines).toContain('CPU 1:');
    expect(lines.filter((line) => line.startsWith('  x86_model_id = "QEMU TCG CPU version 2.5+'))).toHaveLength(2);
    expect(JSON.stringify(json('mach -c'))).toContain('"cpuid_level":13');
  });
});
