/** The lines are crash 9.0.2's on the full dump that the sample was made of; blanks at their ends are cut. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import rd from './rd.ts';

const { run, json } = commandRunner([rd]);

test.each([
  ['rd jiffies', ['ffffffff9b2079c0:  00000000fffee621                    !.......']],
  [
    'rd jiffies 3',
    [
      'ffffffff9b2079c0:  00000000fffee621 0000000000000000   !...............',
      'ffffffff9b2079d0:  0000000000000000                    ........',
    ],
  ],
  [
    'rd -32 jiffies 5',
    [
      'ffffffff9b2079c0:  fffee621 00000000 00000000 00000000   !...............',
      'ffffffff9b2079d0:  00000000                              ....',
    ],
  ],
  ['rd -16 jiffies 5', ['ffffffff9b2079c0:  e621 fffe 0000 0000 0000                  !.........']],
  ['rd -8 jiffies 4', ['ffffffff9b2079c0:  21 e6 fe ff                                       !...']],
  ['rd -d jiffies 2', ['ffffffff9b2079c0:       4294895137               0']],
  ['rd -D jiffies 2', ['ffffffff9b2079c0:            4294895137                    0']],
  ['rd -d -32 jiffies 4', ['ffffffff9b2079c0:        -72159            0            0            0']],
  ['rd -x jiffies', ['ffffffff9b2079c0:  00000000fffee621']],
  ['rd -a linux_banner 30', ['ffffffff9a91ffe0:  Linux version 6.1.0-56-cloud-a']],
  [
    'rd -R jiffies 4',
    [
      'ffffffff9b2079a8:  0000000000000000 0000000000000000   ................',
      'ffffffff9b2079b8:  0000000000000000 00000000fffee621   ........!.......',
    ],
  ],
  ['rd -o 10 jiffies', ['ffffffff9b2079ca:  0000000000000000                    ........']],
  ['rd -s ffffffff9b21aa90 2', ['ffffffff9b21aa90:  00000000fffee525 ffff888981258000']],
])('%s', (line, expected) => {
  expect(run(line).lines.map((each) => each.trimEnd())).toEqual(expected);
});

test('text without a count ends where it is no text', () => {
  const { lines } = run('rd -a linux_banner');
  expect(lines.at(-1)).toBe('ffffffff9a920094:  6.1.192-2 (2026-11-16)');
});

test('symbols and slab caches instead of numbers', () => {
  expect(run('rd -S ffffd1ec0042f890 6').lines.map((each) => each.trimEnd())).toEqual([
    'ffffd1ec0042f890:  [task_struct]    [task_struct]',
    'ffffd1ec0042f8a0:  [shmem_inode_cache] ffffd1ec0042f920',
    'ffffd1ec0042f8b0:  0000000000000000 [task_struct]',
  ]);
});

test.each([
  ['rd', 'usage: rd'],
  ['rd 0', 'cannot read virtual memory at 0x0000000000000000: unmapped'],
  ['rd -p 1000', 'cannot read physical memory'],
  ['rd jiffies 0', "count '0': must be a number from 1"],
  ['rd jiffies -e jiffies', 'is not behind the start'],
  ['rd -s -32 jiffies', '-s and -S are for units of 64 bits'],
  ['rd -p jiffies', "'jiffies' is no address"],
])('%s: %s', (line, message) => {
  expect(run(line).failures.join()).toContain(message);
});

test('JSON has the units', () => {
  expect(json('rd -32 jiffies 2')).toMatchObject({ data: { unit: 4, units: [0xfffee621, 0] } });
});
