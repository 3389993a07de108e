import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { textOf } from '../../../test/builders/text.ts';
import type { Finding } from '../../model/finding.ts';
import listCorruption from './list-corruption.ts';

function imageOf(lines: readonly string[]): KernelImage {
  const image = new KernelImage();
  placeLog(
    image,
    lines.map((line, i) => `<1>[  500.${String(i).padStart(6, '0')}] ${line}`),
  );
  return image;
}

const told = (...lines: readonly string[]): readonly Finding[] =>
  findingsOf(listCorruption, programOfImage(imageOf(lines)));

const REPORT =
  'list_del corruption. prev->next should be ff253929c2479f08, but was 4141414141414141. (prev=ff253929c2479d48)';
const BUG = [
  'kernel BUG at lib/list_debug.c:59!',
  'invalid opcode: 0000 [#1] PREEMPT SMP NOPTI',
  'CPU: 0 PID: 447 Comm: auditd Not tainted 6.1.0 #1',
  'RIP: 0010:__list_del_entry_valid.cold+0x37/0x6f',
  'Call Trace:',
  ' <TASK>',
  ' eventdev_remove+0xd/0x40 [eventdev]',
  ' vfs_write+0xc7/0x3f0',
  '---[ end trace 0000000000000000 ]---',
  'Kernel panic - not syncing: Fatal exception',
];

describe('list-corruption', () => {
  it('tells who worked on the list, and what stands in place of the pointer', () => {
    const [finding, ...others] = told(REPORT, ...BUG);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'list-corruption',
      confidence: 'probable',
      details: {
        operation: 'remove',
        entry: { value: 0xff253929c2479f08n },
        resource: { value: 0xff253929c2479d48n },
        caller: { name: 'eventdev_remove', module: 'eventdev' },
      },
    });
    expect(textOf(finding?.title)).toContain('eventdev_remove+0xd of module eventdev removed an entry');
    expect(textOf(finding?.story[1]?.text)).toContain('AAAAAAAA');
  });

  it('is silent about another BUG, though an older report stands in the log', () => {
    const other = BUG.map((line) =>
      line.replace('lib/list_debug.c:59', 'fs/ext4/inode.c:3').replace('__list_del_entry_valid.cold', 'ext4_x'),
    );
    expect(told(REPORT, ...other)).toEqual([]);
  });

  it('leaves a BUG of the list check without a report to the oops', () => {
    expect(told(...BUG)).toEqual([]);
  });

  it('speaks from a cut log', () => {
    expect(told(REPORT, ...BUG.slice(0, 1))).toMatchObject([{ cause: 'list-corruption' }]);
    expect(told()).toEqual([]);
  });
});
