/** The lines are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import log from './log.ts';

const { run, json } = commandRunner([log]);
const SECOND = 'Command line: console=ttyS0 crashkernel=160M ntop=50';

test.each([
  ['log', `[    0.000000] ${SECOND}`],
  ['log -t', SECOND],
  ['log -m', `[    0.000000] <6>${SECOND}`],
  ['log -tm', `<6>${SECOND}`],
  ['log -c', `[    0.000000] [    T0] ${SECOND}`],
  ['log -T', `[Mon Nov 23 02:41:25 UTC 2026] ${SECOND}`],
])('%s', (line, second) => {
  const { lines, problems } = run(line);
  expect(lines).toHaveLength(414);
  expect(lines[1]).toBe(second);
  expect(problems).toEqual([]);
});

test('-d tells the devices', () => {
  expect(run('log -d').lines).toHaveLength(512);
});

test('-T and -t exclude each other', () => {
  expect(run('log -T -t').failures).toEqual(['log: -T wants dates and -t no stamps; give one of them']);
});

test('JSON has the parts of each record', () => {
  expect(json('log')).toHaveProperty('data[1]', {
    time: { ns: '0', seconds: 0 },
    level: 6,
    facility: 0,
    caller: { kind: 'task', id: 0 },
    text: SECOND,
  });
});

test('-a and -s: what did not reach the log', () => {
  // Crash 9.0.2 on the full dump: an empty audit log, and no buffers of printk_safe since 5.15.
  expect(run('log -a').lines).toEqual(['kernel audit log is empty']);
  expect(run('log -s').lines).toEqual([]);
});
