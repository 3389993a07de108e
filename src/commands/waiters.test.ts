import { expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { Incident } from '../../test/builders/incident.ts';
import { behindMutex } from '../../test/builders/scenes.ts';
import waiters from './waiters.ts';

it('of a lock, in the order of its queue', () => {
  const incident = behindMutex(3, 30, { state: 'S' });
  const { lines } = commandRunner([waiters], incident.program()).run('waiters a_mutex');
  expect(lines[0]).toMatch(
    /^for the global a_mutex \(struct mutex at 0x[0-9a-f]+\); owner \(pid 10\) has it \(the lock names it\)$/,
  );
  expect(lines.slice(2).map((line) => line.trim().split(/ +/).slice(0, 3))).toEqual([
    ['1', '110', 'D'],
    ['2', '111', 'D'],
    ['3', '112', 'D'],
  ]);
});

it('tells readers and writers apart', () => {
  const incident = new Incident();
  const { directory } = incident;
  incident.held(directory, incident.task('owner', { pid: 10 }));
  incident.task('reads', { pid: 11, waits: [directory, 'read'] });
  incident.task('writes', { pid: 12, waits: [directory, 'write'] });
  const { lines } = commandRunner([waiters], incident.program()).run(`waiters ${directory.address.toString(16)}`);
  expect(lines.slice(2).map((line) => line.trim().split(/ +/)[3])).toEqual(['read', 'write']);
});

it('of what has none says so', () => {
  const { lines } = commandRunner([waiters]).run('waiters init_task');
  expect(lines).toEqual([
    'No task waits for it: it is no lock, no completion and no wait queue that anybody sleeps on.',
  ]);
});

it('a broken queue is told', () => {
  const incident = behindMutex(3, 30, { state: 'S' });
  const program = incident.program((image) => image.write('waiter111.list.next', 0));
  const { lines, problems } = commandRunner([waiters], program).run('waiters a_mutex');
  expect(lines.length).toBeGreaterThan(2);
  expect(problems.length).toBeGreaterThan(0);
});

it('wants one address', () => {
  const { run } = commandRunner([waiters]);
  expect(run('waiters').failures).toEqual(['waiters: of what? waiters takes an address or a symbol']);
  expect(run('waiters init_task 5').failures).toEqual(["waiters: '5': waiters takes one address"]);
});
