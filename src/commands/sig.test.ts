/** The lines are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import sig from './sig.ts';

const { run, json } = commandRunner([sig]);

test('handlers and pending signals', () => {
  const { lines, problems } = run('sig 1');
  expect(lines).toHaveLength(75);
  expect(lines.slice(1, 6)).toEqual([
    'SIGNAL_STRUCT: ffff8889811fd680  NR_THREADS: 1',
    ' SIG    SIGACTION        HANDLER       MASK       FLAGS',
    ' [1] ffff888981205ae0    SIG_DFL 0000000000000000 0',
    ' [2] ffff888981205b00     525892 fffffffe7ffbfeff 4000000 (SA_RESTORER)',
    ' [3] ffff888981205b20    SIG_IGN fffffffe7ffbfeff 4000000 (SA_RESTORER)',
  ]);
  expect(lines.slice(-4)).toEqual([
    '  SIGQUEUE: (empty)',
    'SHARED_PENDING',
    '    SIGNAL: 0000000000000000',
    '  SIGQUEUE: (empty)',
  ]);
  expect(problems).toEqual([]);
  expect(json('sig 1')).toMatchObject({
    data: [{ pending: false, handlers: [{ signal: 'SIGINT', handler: '525892' }, {}, {}] }],
  });
});

test('all threads of a process', () => {
  const { lines, problems } = run('sig -g 1');
  expect(lines[1]).toBe('SIGNAL_STRUCT: ffff8889811fd680  NR_THREADS: 1');
  expect(lines[4]).toBe(' [2] ffff888981205b00     525892 fffffffe7ffbfeff 4000000 (SA_RESTORER)');
  expect(lines.slice(67)).toEqual([
    'SHARED_PENDING',
    '    SIGNAL: 0000000000000000',
    '  SIGQUEUE: (empty)',
    '',
    '  PID: 1        TASK: ffff8889811ea0c0  CPU: 0    COMMAND: "init"',
    '  SIGPENDING: no',
    '     BLOCKED: 0000000000000000',
    '  PRIVATE_PENDING',
    '      SIGNAL: 0000000000000000',
    '    SIGQUEUE: (empty)',
  ]);
  expect(problems).toEqual([]);
  expect(json('sig -g 1')).toMatchObject({
    data: [{ threads: 1, group: [{ task: { pid: 1 }, pending: false, own: { signals: [], queue: [] } }] }],
  });
});

test('names', () => {
  expect(run('sig -s 4002').lines).toEqual(['SIGINT SIGTERM']);
  expect(run('sig -l').lines.slice(28, 34)).toEqual([
    '[29] SIGIO/SIGPOLL',
    '[30] SIGPWR',
    '[31] SIGSYS/SIGUNUSED',
    '[32] SIGRTMIN',
    '[33] SIGRTMIN+1',
    '[34] SIGRTMIN+2',
  ]);
  expect(run('sig -s zz').failures).toEqual(["sig: -s 'zz': must be a set of signals, in hex"]);
});
