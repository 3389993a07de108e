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

test('-f: what the flags of a mapping mean, as this kernel names them', () => {
  // crash has the names of 2.6.32: NOHUGEPAGE for 200, CAN_NONLINEAR for 8000000.
  expect(run('vm -f 8000075').lines).toEqual(['8000075: (READ|EXEC|MAYREAD|MAYWRITE|MAYEXEC|SOFTDIRTY)']);
  expect(run('vm -f 8100273').lines).toEqual([
    '8100273: (READ|WRITE|MAYREAD|MAYWRITE|MAYEXEC|UFFD_MISSING|ACCOUNT|SOFTDIRTY)',
  ]);
  expect(run('vm -f 0').lines).toEqual(['0: ()']);
  expect(run('vm -f 8000000000000001').lines).toEqual(['8000000000000001: (READ|0x8000000000000000)']);
  expect(json('vm -f 5')).toMatchObject({ data: { flags: '0x5', names: ['READ', 'EXEC'], unknown: '0x0' } });
  expect(run('vm -f zzz').failures).toEqual(["vm: -f 'zzz': must be the flags of a mapping, in hex"]);
});

test('-M: the address space of another mm_struct', () => {
  const { lines } = run('vm -M ffff888981057180 2');
  expect(lines.slice(0, 5)).toEqual([
    'PID: 2        TASK: ffff8889811ec180  CPU: 1    COMMAND: "kthreadd"',
    '       MM               PGD          RSS    TOTAL_VM',
    'ffff888981057180  ffff888995802000  1728k    2260k',
    HEADER,
    'ffff8889824d6be0     400000     401000 8000071 /bin/busybox',
  ]);
  expect(lines).toHaveLength(14);
  expect(run('vm -M 0 2').failures).toEqual(["vm: -M '0': must be the address of an mm_struct"]);
});

test('a pointer that is NULL is an address in JSON, too', () => {
  // Memory that is no mm_struct, with zeroes where the page table would be.
  expect(json('vm -M ffff8889811ea400 2')).toMatchObject({ data: [{ pgd: '0x0000000000000000' }] });
});
