/** The lines are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import vtop from './vtop.ts';

const { run, json } = commandRunner([vtop]);

test('a page of 2 MiB of the direct map', () => {
  expect(run('vtop ffff88899fc48000').lines.slice(0, 11)).toEqual([
    'VIRTUAL           PHYSICAL',
    'ffff88899fc48000  1fc48000',
    '',
    'PGD DIRECTORY: ffffffff9b210000',
    'PAGE DIRECTORY: 17201067',
    '   PUD: 17201130 => 17202067',
    '   PMD: 172027f0 => 800000001fc001e3',
    '  PAGE: 1fc00000  (2MB)',
    '',
    '      PTE         PHYSICAL  FLAGS',
    '800000001fc001e3  1fc00000  (PRESENT|RW|ACCESSED|DIRTY|PSE|GLOBAL|NX)',
  ]);
});

test('a small page of vmalloc, and a variable by name', () => {
  expect(run('vtop ffffd1ec00117e58').lines.slice(5, 8)).toEqual([
    '   PUD: 1000d80 => 11b2067',
    '   PMD: 11b2000 => 11b3067',
    '   PTE: 11b38b8 => 8000000017320163',
  ]);
  expect(run('vtop init_task').lines[1]).toBe('ffffffff9b21aa40  1641aa40');
  expect(json('vtop init_task')).toMatchObject({ items: [{ data: { physical: '0x1641aa40', page_size: 2097152 } }] });
});

test('the tables of a task are not in the sample; a kernel thread has none', () => {
  expect(run('vtop -c 95 7ffc39937000').failures.join()).toMatch(/excluded/);
  expect(run('vtop -c 2 400000').failures).toEqual([
    'vtop: kthreadd (pid 2) has no memory in user space; choose a task with set, or with -c',
  ]);
});
