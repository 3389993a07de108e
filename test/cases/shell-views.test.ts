/** Tables of the shell beside crash's answers on the same dump, of a guest that has something in each of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCommands } from '../../src/cli/commands.ts';
import { programOf } from '../../src/program/open.ts';
import { CoreStore } from '../builders/core-store.ts';
import { commandRunner } from '../builders/commands.ts';

const answers = readFileSync(join(import.meta.dirname, 'shell-views.txt'), 'utf8')
  .split(/^@ /m)
  .slice(1)
  .map((part) => {
    const [line = '', ...rest] = part.trimEnd().split('\n');
    return { line, theirs: rest };
  });
const store = new CoreStore(import.meta.dirname, join(import.meta.dirname, '../cores'));
const commands = await loadCommands();
const shell = commandRunner(commands, programOf(store.open('shell-views-6.1')));

describe.each(answers)('$line', ({ line, theirs }) => {
  test('as crash says', () => {
    const { lines, problems, failures } = shell.run(line);
    const ours = lines.map((each) => each.trimEnd());
    while (ours.at(-1) === '') ours.pop();
    expect({ problems, failures }).toEqual({ problems: [], failures: [] });
    expect(line === 'runq -g' ? withoutRealtime(ours) : ours).toEqual(theirs);
  });
});

/** crash leaves real-time tasks out where the kernel makes no groups of them. */
function withoutRealtime(lines: readonly string[]): readonly string[] {
  let isRealtime = false;
  return lines.filter((line) => {
    if (!line.startsWith('     ')) isRealtime = line.includes('  RT_RQ: ');
    return !isRealtime;
  });
}

test('real-time tasks that wait, highest priority first', () => {
  expect(shell.run('runq -g -c 1').lines.slice(2, 6)).toEqual([
    '  ROOT_TASK_GROUP: ffffffffbeaf1f00  RT_RQ: ff39985cde131bc0',
    '     [ 69] PID: 310    TASK: ff39985cd283c180  COMMAND: "audio" [CURRENT]',
    '     [ 79] PID: 309    TASK: ff39985cd2838000  COMMAND: "audio"',
    '     [ 89] PID: 308    TASK: ff39985cd283a0c0  COMMAND: "audio"',
  ]);
});

test('the same facts as JSON', () => {
  expect(shell.json('net -a')).toMatchObject({
    rows: [
      { address: '10.9.0.77', hardware: '00:00:00:00:00:00', hardware_type: 1, device: 'dummy0', state: ['FAILED'] },
      {},
      {},
      {},
    ],
  });
  expect(shell.json('ipcs -M')).toMatchObject({
    items: [{ data: { objects: [{ pages: { allocated: 64, resident: 32, swapped: 0 } }] } }],
  });
  // Number 34: the C library keeps 32 and 33 to itself.
  expect(shell.json('sig -g 288')).toMatchObject({
    data: [{ threads: 3, group: [{}, { task: { pid: 289 }, own: { signals: ['SIGUSR1', 'SIGRTMIN+2'] } }, {}] }],
  });
});

test('vtop through the tables of each task, as crash 9.0.2; what one has not, others have', () => {
  const sample = commandRunner(commands);
  const kernel = sample.run('foreach 1 2 vtop -k ffffffff9b21aa40');
  expect(kernel.lines.filter((line) => line.startsWith('PID: '))).toHaveLength(2);
  expect(kernel.lines.filter((line) => line === '  PAGE: 16400000  (2MB)')).toHaveLength(2);
  const user = sample.run('foreach 2 95 1 vtop -u 400000');
  expect(user.failures).toEqual([expect.stringContaining('kthreadd (pid 2) has no memory in user space')]);
  // The sample was made without the tables of programs.
  expect(user.problems).toEqual([
    expect.stringMatching(/^postgres \(pid 95\): cannot read .*excluded/),
    expect.stringMatching(/^init \(pid 1\): cannot read/),
  ]);
});
