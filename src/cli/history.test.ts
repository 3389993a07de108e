import { readFileSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { History, historyPath } from './history.ts';

test('the place', () => {
  expect(historyPath({ XDG_STATE_HOME: '/state', HOME: '/home/x' })).toBe('/state/kwhy/history');
  expect(historyPath({ XDG_STATE_HOME: 'relative', HOME: '/home/x' })).toBe('/home/x/.local/state/kwhy/history');
  expect(historyPath({})).toBeUndefined();
});

test('lines last, for their owner only', () => {
  const path = tempFolder()('a/b/history');
  const history = new History(path);
  for (const line of ['ps', 'ps', ' secret', '', 'log -T']) history.add(line);
  expect(readFileSync(path, 'utf8')).toBe('ps\nlog -T\n');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(new History(path).lines).toEqual(['ps', 'log -T']);
  expect(new History(path).search('og')).toEqual(['    2  log -T']);
});

test('a place that cannot be written to costs nothing else', () => {
  const history = new History('/dev/null/history');
  history.add('ps');
  expect(history.lines).toEqual(['ps']);
  new History(undefined).add('ps');
});
