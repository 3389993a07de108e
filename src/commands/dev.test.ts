import { describe, expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import dev from './dev.ts';

const { run, json } = commandRunner([dev]);
const trimmed = (line: string): string[] => run(line).lines.map((each) => each.trimEnd());

// The lines of crash 9.0.2 on the full dump.
describe('dev', () => {
  it('has the character and block devices', () => {
    const lines = trimmed('dev');
    expect(lines.slice(0, 5)).toEqual([
      'CHRDEV    NAME                 CDEV        OPERATIONS',
      '   1      mem            ffff88899e93f400  memory_fops',
      '   4      /dev/vc/0      ffffffff9bbfbd40  console_fops',
      '   4      tty            ffff88899e93fa80  tty_fops',
      '   4      ttyS           ffff888981918b00  tty_fops',
    ]);
    expect(lines).toContain('  13      input               (none)');
    expect(lines.slice(-3)).toEqual([
      '',
      'BLKDEV    NAME                GENDISK      OPERATIONS',
      ' 259      blkext         ffff8889824cfc00  nvme_bdev_ops',
    ]);
  });

  it('-i has ports and memory', () => {
    const lines = trimmed('dev -i');
    expect(lines.slice(0, 2)).toEqual(['    RESOURCE        RANGE    NAME', 'ffffffff9b24fca0  0000-ffff  PCI IO']);
    expect(lines).toContain('ffff88899ffd1d00  00100000-1ffd6fff  System RAM');
    expect(lines.at(-1)).toBe('ffff88899ffd1dc0  fd00000000-ffffffffff  Reserved');
  });

  it('-p has the buses and their devices', () => {
    expect(trimmed('dev -p').slice(0, 4)).toEqual([
      '    ROOT BUS     BUSNAME',
      'ffff8889973cf800 0000:00',
      '      PCI DEV      DO:BU:SL.FN  CLASS   PCI_ID      TYPE',
      '  ffff888981148000 0000:00:00.0  0600  8086:1237  ENDPOINT',
    ]);
    expect(trimmed('dev -p')).toContain('  ffff8889973f4000 0000:00:04.0  0108   1b36:10   ENDPOINT');
    expect(JSON.stringify(json('dev -p'))).toContain('"vendor":6966');
  });

  // On the full dump: 0 0 0. The sample has not the pages of the requests.
  it('-d does not take requests that it cannot read for none', () => {
    const { lines, problems } = run('dev -d');
    expect(lines[1]?.trimEnd()).toBe('  259 ffff8889824cfc00   nvme0n1    ffff88899fe0e208       -     -     -');
    expect(problems.join()).toContain('requests of nvme0n1');
    expect(run('dev -D').lines).toHaveLength(2);
  });
});
