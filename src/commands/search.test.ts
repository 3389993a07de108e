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
