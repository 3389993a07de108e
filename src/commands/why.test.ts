import { expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { Incident } from '../../test/builders/incident.ts';
import { behindMutex, circle } from '../../test/builders/scenes.ts';
import why from './why.ts';

const shown = (incident: Incident, line: string) => commandRunner([why], incident.program()).run(line).lines;

it('follows the chain on the sample: timeout, its top, the directory, ps, its page fault', () => {
  const { run } = commandRunner([why]);
  const { lines } = run('why timeout');
  expect(lines[0]).toMatch(/^timeout \(pid \d+\), S/);
  expect(lines[1]).toMatch(
    /^ {3}waits for its child to end .*; top \(pid \d+\) has to act \(inferred: it is its only child\)$/,
  );
  expect(lines[2]).toMatch(
    /^ {3}top \(pid \d+\) waits for the i_rwsem of the directory .*; ps \(pid 96\) has it \(inferred: /,
  );
  expect(lines[3]).toMatch(/^ {3}ps \(pid 96\) waits for an answer of user space to its page fault/);
});

it('of an owner says why it does not go on, and how many wait for what it has', () => {
  const lines = shown(behindMutex(3, 30, { state: 'T' }), 'why 10');
  expect(lines[1]).toBe('   owner (pid 10) is stopped: only a signal, or its tracer, lets it go on');
  expect(lines[2]).toMatch(/^ {3}3 tasks wait for it: for the global a_mutex/);
});

it('ends where a circle closes', () => {
  const incident = new Incident();
  circle(incident, 2);
  const lines = shown(incident, 'why 11');
  expect(lines[4]).toMatch(/^ {3}1 task waits for it: /);
  expect(lines[3]).toBe('   philosopher (pid 11): there the circle closes');
});

it('does not take a guess for an answer', () => {
  const incident = new Incident();
  incident.task('stuck', {
    pid: 40,
    state: 'D',
    stack: ['__schedule', 'schedule', 'a_driver_hangs', 'a_driver_ioctl'],
  });
  expect(shown(incident, 'why 40')[1]).toBe(
    '   stuck (pid 40) waits in a_driver_hangs; the functions on its stack alone say so',
  );
});

it('names what it does not know', () => {
  expect(shown(new Incident(), 'why 4711')).toEqual([]);
  expect(commandRunner([why]).run('why 4711').failures.length).toBeGreaterThan(0);
});
