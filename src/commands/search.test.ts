/** The places are among those of crash 9.0.2 on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import search from './search.ts';

const { run, json } = commandRunner([search]);

test('who points to a task, and with a mask what lies in it', () => {
  const { lines } = run('search ffff88899fc48000');
  expect(lines).toContain('ffff888981055a20: ffff88899fc48000');
  expect(lines.every((line) => line.endsWith(': ffff88899fc48000'))).toBe(true);
  expect(run('search -m ff ffff88899fc48000').lines).toContain('ffff88899fc480b0: ffff88899fc480a8');
});

test('in a range, in stacks, as physical addresses', () => {
  expect(run('search -s ffff888981055a20 -l 8 ffff88899fc48000').lines).toEqual(['ffff888981055a20: ffff88899fc48000']);
  expect(run('search -s ffff888981055a21 -e ffff888981055b00 ffff88899fc48000').lines).toEqual([]);
  expect(run('search -t ffff88899fc48000').lines.slice(0, 2)).toEqual([
    'PID: 95       TASK: ffff88899fc48000  CPU: 0    COMMAND: "postgres"',
    'ffffd1ec003dfbd0: ffff88899fc48000',
  ]);
  expect(run('search -p ffff88899fc48000').lines).toContain('0000000001055a20: ffff88899fc48000');
});

test('text, and values that do not fit', () => {
  expect(JSON.stringify(json('search -c "6.1.0-56-cloud-amd64"'))).toContain('6.1.0-56-cloud-amd64');
  expect(run('search -w ffff88899fc48000').failures).toEqual(["search: 'ffff88899fc48000' does not fit into 32 bits"]);
  expect(run('search -u 1').failures.length).toBeLessThanOrEqual(1);
});

test('stacks of running tasks alone, and what is around', () => {
  expect(run('search -T ffffffff9996475a').lines).toEqual([
    'PID: 1        TASK: ffff8889811ea0c0  CPU: 0    COMMAND: "init"',
    'ffffd1ec00013b60: ffffffff9996475a',
  ]);
  expect(run('search -T ffff88899fc48000').lines).toEqual([]);
  const { lines } = run('search -x 2 -t ffffffff9a21154a');
  expect(lines.slice(0, 9).map((line) => line.trimEnd())).toEqual([
    'PID: 2        TASK: ffff8889811ec180  CPU: 1    COMMAND: "kthreadd"',
    'ffffd1ec0001be98:  0000000000000000 ffff8889811ec180   ................',
    'ffffd1ec0001bea8:  ffffffff9a21154a',
    'ffffd1ec0001beb0:  ffff88899ff5e0a8 ffff8889811ec180   ................',
    '',
    '',
    'PID: 3        TASK: ffff8889811e8000  CPU: 0    COMMAND: "rcu_gp"',
    'ffffd1ec00023e88:  ffff88898104fc00 ffff8889811e8000   ................',
    'ffffd1ec00023e98:  ffffffff9a21154a',
  ]);
  expect(run('search -x 1 -p -s 1055a20 -l 8 ffff88899fc48000').lines[1]).toBe('0000000001055a20:  ffff88899fc48000');
  expect(run('search -x 1 -c text').failures[0]).toContain('cannot stand with -c');
});

test('the direct map alone, and the vmalloc areas alone', () => {
  const direct = 'ffff8889963c62c8: ffffffff9b327160';
  const area = 'ffffffffc037f2c8: ffffffff9b327160';
  const found = (option: string): readonly boolean[] => {
    const { lines } = run(`search ${option} ffffffff9b327160`);
    return [lines.includes(direct), lines.includes(area)];
  };
  expect(found('-K')).toEqual([true, false]);
  expect(found('-V')).toEqual([false, true]);
  expect(found('-k')).toEqual([true, true]);
});

test('a symbol stands behind the value that it is', () => {
  expect(run('search -t kthread').lines[1]).toBe('ffffd1ec00023f20: ffffffff998bfb20 (kthread)');
});
