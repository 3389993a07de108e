/** The lines are crash 9.0.2's on the full dump that the sample was made of, with its debuginfo. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import ps from './ps.ts';

const { run, json } = commandRunner([ps]);
const HEADER = '      PID    PPID  CPU       TASK        ST  %MEM      VSZ      RSS  COMM';
const IDLE = '        0       0   0  ffffffff9b21aa40  RU   0.0        0        0  [swapper/0]';
const INIT = '>       1       0   0  ffff8889811ea0c0  RU   0.3     2260     1728  init';
const PS = '       96       1   1  ffff88899fc4a0c0  IN   0.1     1060      680  ps';

test('all tasks, idle ones first', () => {
  const { lines, problems, failures } = run('ps');
  expect(lines.slice(0, 2)).toEqual([HEADER, IDLE]);
  expect(lines).toHaveLength(164);
  expect(lines).toContain(PS);
  expect([problems, failures]).toEqual([[], []]);
});

test('by pid, address, name and pattern', () => {
  expect(run('ps 96').lines).toEqual([HEADER, PS]);
  expect(run('ps 0xffff88899fc4a0c0 -H').lines).toEqual([PS]);
  expect(run('ps ps').lines).toEqual([HEADER, PS]);
  expect(run("ps 'cro.*'").lines.slice(1)).toEqual([
    '      101       1   1  ffff88899fec0000  UN   0.1      996      680  crond-log',
    '      103       1   1  ffff8889826020c0  IN   0.1      996      680  crond',
  ]);
});

test('a task that is not there fails and the others are shown', () => {
  expect(run('ps 9999 96')).toMatchObject({ lines: [HEADER, PS], failures: ['no task has the pid 9999'] });
  expect(run('ps crondd').failures).toEqual(["no task is named 'crondd'; did you mean crond?"]);
});

test('selections', () => {
  expect(run('ps -A').lines).toEqual([
    HEADER,
    '>       0       0   1  ffff888981264180  RU   0.0        0        0  [swapper/1]',
    INIT,
  ]);
  expect(run('ps -k').lines).toHaveLength(55);
  expect(run('ps -u').lines).toHaveLength(110);
  expect(run('ps -I').lines).toHaveLength(162);
  expect(
    run('ps -y FIFO')
      .lines.slice(1)
      .map((line) => line.trim().split(/ +/)[0]),
  ).toEqual(['16', '20']);
  expect(run('ps -s 96').lines).toEqual([
    '      PID    PPID  CPU      KSTACKP      ST  %MEM      VSZ      RSS  COMM',
    '       96       1   1  ffffd1ec00407a48  IN   0.1     1060      680  ps',
  ]);
});

test('views', () => {
  expect(run('ps -S').lines).toEqual(['  RU: 3', '  IN: 71', '  ID: 38', '  UN: 51']);
  expect(run('ps -p 110').lines).toEqual([
    'PID: 0        TASK: ffffffff9b21aa40  CPU: 0    COMMAND: "swapper/0"',
    ' PID: 1        TASK: ffff8889811ea0c0  CPU: 0    COMMAND: "init"',
    '  PID: 103      TASK: ffff8889826020c0  CPU: 1    COMMAND: "crond"',
    '   PID: 109      TASK: ffff88899ff7a0c0  CPU: 0    COMMAND: "timeout"',
    '    PID: 110      TASK: ffff8889971f4180  CPU: 0    COMMAND: "top"',
    '',
  ]);
  expect(run('ps -c 109').lines.slice(1, 2)).toEqual([
    '  PID: 110      TASK: ffff8889971f4180  CPU: 0    COMMAND: "top"',
  ]);
  expect(run('ps -l 96 101').lines).toEqual([
    '[ 3897064109] [UN]  PID: 101      TASK: ffff88899fec0000  CPU: 1    COMMAND: "crond-log"',
    '[ 2876166811] [IN]  PID: 96       TASK: ffff88899fc4a0c0  CPU: 1    COMMAND: "ps"',
  ]);
  expect(run('ps -m 96 101').lines.map((line) => line.slice(0, 22))).toEqual([
    '[0 00:00:07.423] [UN] ',
    '[0 00:00:08.443] [IN] ',
  ]);
  expect(run('ps -t 96').lines.slice(2, 5)).toEqual([
    '  START TIME: 2882386940',
    '       UTIME: 8000000',
    '       STIME: 16000000',
  ]);
  expect(run('ps -r 96').lines).toContain('       STACK     8388608     (unlimited)');
  expect(run('ps -g 1').lines).toContain('  (no threads)');
});

test('memory that the dump left out is missing and not empty', () => {
  expect(run('ps -a 96').problems).toEqual([expect.stringMatching(/^arguments of pid 96: .*: excluded$/)]);
});

test.each([
  ['ps -p -c', '-p and -c are different views; give one of them'],
  ['ps -C 0', '-C belongs to -l or -m'],
  ['ps -y FOO', '-y FOO: the policies are NORMAL FIFO'],
  ['ps -z', 'unknown option -z'],
])('%s is refused', (line, message) => {
  expect(run(line)).toMatchObject({ text: '', failures: [expect.stringContaining(message)] });
});

test('JSON has the exact values', () => {
  expect(json('ps 96')).toMatchObject({
    rows: [
      { pid: 96, ppid: 1, task: '0xffff88899fc4a0c0', state: 'IN', resident: 680 * 1024, comm: 'ps', running: false },
    ],
  });
});

test('several policies; CPUs apart from each other', () => {
  const of = (policies: string): number => run(`ps -y ${policies}`).lines.length - 1;
  expect(of('FIFO')).toBeGreaterThan(0);
  expect(of('normal,1')).toBe(of('0') + of('FIFO'));
  expect(run('ps -y 0,zz').failures.join()).toMatch(/-y zz: the policies are NORMAL FIFO/);
  const { lines } = run('ps -l -C 0,1');
  expect(lines[0]).toBe('CPU: 0');
  expect(lines[lines.indexOf('CPU: 1') - 1]).toBe('');
});
