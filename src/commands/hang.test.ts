import { describe, expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { Incident } from '../../test/builders/incident.ts';
import { behindMutex, circle, tops } from '../../test/builders/scenes.ts';
import hang from './hang.ts';

const shown = (incident: Incident, line = 'hang') => commandRunner([hang], incident.program()).run(line).lines;

it('on the sample: ps, whose page fault nobody answers, those behind its directory, and who waits for these', () => {
  const { run } = commandRunner([hang]);
  const { lines, problems } = run('hang');
  expect(problems).toEqual([]);
  expect(lines[0]).toBe('51 tasks in uninterruptible sleep, all for a lock or another task; chains end at 1 place:');
  expect(lines[2]).toMatch(/^1\. ps \(pid 96\) waits for an answer of user space to its page fault at 0x7fb312f98000$/);
  expect(lines[3]).toBe('   51 tasks behind it, and 50 more that wait for one of these');
  expect(lines[4]).toMatch(/51 wait for the i_rwsem of the directory .*inferred: its stack shows the rw_semaphore/);
});

describe('circles', () => {
  it('are the shortest ones, and what is stuck behind them is counted', () => {
    const incident = new Incident();
    const [first] = circle(incident, 3);
    if (first === undefined) throw new Error('no lock');
    tops(incident, 4, first);
    const lines = shown(incident);
    expect(lines[2]).toBe('1. A circle of 3 tasks: each waits for the next, and none can go on');
    expect(lines[3]).toBe('   4 tasks stuck behind it');
    expect(
      lines.filter((line) => /philosopher \(pid 1\d\) waits .* has it \(the lock names it\)$/.test(line)).length,
    ).toBe(3);
  });

  it('are none where the chain ends', () => {
    const incident = new Incident();
    const outer = incident.lock('mutex', 'outer');
    const inner = incident.lock('mutex', 'inner');
    incident.held(inner, incident.task('owner', { pid: 10, state: 'T' }));
    incident.held(outer, incident.task('middle', { pid: 11, waits: [inner] }));
    tops(incident, 3, outer);
    const lines = shown(incident);
    expect(lines[2]).toBe('1. owner (pid 10) is stopped: only a signal, or its tracer, lets it go on');
    expect(lines[3]).toBe('   4 tasks behind it');
    expect(lines.join('\n')).not.toContain('circle');
  });
});

describe('owners', () => {
  it('of a semaphore are not recorded: the lock is the end', () => {
    const incident = new Incident();
    const lock = incident.lock('semaphore', 'a_semaphore', { global: true });
    tops(incident, 2, lock);
    const lines = shown(incident);
    expect(lines[2]).toBe('1. Tasks wait for the global a_semaphore: who holds it is not recorded');
    expect(lines[3]).toBe('   2 tasks in its queue and behind it');
  });

  it('that hold nothing any more: the lock is free, and its first waiter sleeps', () => {
    const lines = shown(behindMutex(3, 30, undefined));
    expect(lines[2]).toContain(
      'nobody holds it, its first waiter sleeps, and nobody is about to wake it: a wake-up was lost',
    );
    const recent = shown(behindMutex(3, 1, undefined));
    expect(recent[2]).toContain('nobody holds it, and yet its first waiter sleeps: it is just being given on, or');
  });

  it('that are no tasks any more have ended with the lock held', () => {
    const program = behindMutex(3, 30, undefined).program((image) => image.write('a_mutex.owner', 0xffff88800abcde01n));
    const { lines } = commandRunner([hang], program).run('hang');
    expect(lines[2]).toBe(
      '1. Tasks wait for the global a_mutex: its owner is no task any more: it ended with the lock held',
    );
    expect(lines[3]).toBe('   3 tasks in its queue and behind it');
  });

  it('that run are said to run', () => {
    expect(shown(behindMutex(3, 30, { running: 1 }))[2]).toMatch(/^1\. owner \(pid 10\) runs on CPU 1/);
  });
});

it('without anybody that is blocked, it says so', () => {
  expect(shown(new Incident())).toContain('No task is in uninterruptible sleep, and none waits for a lock.');
});

it('a broken list of waiters is told, and what can be read is shown', () => {
  const incident = behindMutex(3, 30, { state: 'S' });
  const { run } = commandRunner(
    [hang],
    incident.program((image) => image.write('waiter111.list.next', 0)),
  );
  const { lines } = run('hang');
  expect(lines[2]).toMatch(/^1\. owner \(pid 10\)/);
});

it('draws', () => {
  const lines = shown(behindMutex(1, 30, {}), 'hang --dot');
  expect(lines).toContain('digraph waits {');
  expect(lines.some((line) => /"top 110" -> "struct mutex 0x[0-9a-f]+";/.test(line))).toBe(true);
  expect(lines.some((line) => /"struct mutex 0x[0-9a-f]+" -> "owner 10";/.test(line))).toBe(true);
});

it('takes no arguments', () => {
  expect(commandRunner([hang]).run('hang 96').failures).toEqual([
    "hang: '96': hang takes no arguments; why PID is about one task",
  ]);
});
