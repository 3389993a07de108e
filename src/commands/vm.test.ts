/** The lines are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import vm from './vm.ts';

const { run, json } = commandRunner([vm]);
const HEADER = '      VMA           START       END     FLAGS FILE';
const LAST = 'ffff8889963a9260 7ffc39937000 7ffc39939000 8040075';

test('the mappings of a task', () => {
  const { lines, problems } = run('vm 95');
  expect(lines.slice(0, 5)).toEqual([
    'PID: 95       TASK: ffff88899fc48000  CPU: 0    COMMAND: "postgres"',
    '       MM               PGD          RSS    TOTAL_VM',
    'ffff888981055680  ffff88899fdaa000   676k    17380k',
    HEADER,
    'ffff8889963a9be0     400000     401000 8000071 /actor',
  ]);
  expect(lines.at(-1)).toBe(LAST);
  // crash: 'dev/zero'.
  expect(lines).toContain('ffff8889963a9da8 7f3d875ea000 7f3d885ea000 80000fb /dev/zero (deleted)');
  expect(lines).toHaveLength(15);
  expect(problems).toEqual([]);
  expect(json('vm 95')).toMatchObject({ data: [{ resident: 676 * 1024, virtual: 17380 * 1024 }] });
});

test('a task without an address space', () => {
  expect(run('vm 2').lines.slice(1)).toEqual([
    '       MM               PGD          RSS    TOTAL_VM',
    '       0                 0            0k       0k',
  ]);
});

test('the pages of a mapping', () => {
  expect(run('vm -P ffff8889963a9260 95').lines.slice(1)).toEqual([
    HEADER,
    LAST,
    'VIRTUAL     PHYSICAL',
    // The sample was made without the tables of programs.
    '7ffc39937000  (page table not in the dump)',
    '7ffc39938000  (page table not in the dump)',
  ]);
  expect(run('vm -P ffff8889963a9260 95').problems).toEqual([
    'postgres (pid 95): the tables of 2 pages are not in the dump',
  ]);
  expect(run('vm -P 1234 95').failures).toEqual(['vm: postgres (pid 95) has no mapping at 0000000000001234']);
});

test('mappings of a file, structs', () => {
  expect(run('vm -R actor 95').lines).toHaveLength(9);
  expect(run('vm -R nothing 95').lines).toEqual([]);
  expect(run('vm -m 95').lines).toContain('struct mm_struct {');
  expect(run('vm -v 95').lines.filter((line) => line === 'struct vm_area_struct {')).toHaveLength(11);
});
