/** The lines are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import files from './files.ts';

const { run, json } = commandRunner([files]);
const POSTGRES = 'PID: 95       TASK: ffff88899fc48000  CPU: 0    COMMAND: "postgres"';
const HEADER = ' FD       FILE            DENTRY           INODE       TYPE PATH';
const CONSOLE = '  1 ffff8889824dc700 ffff888981473840 ffff888981b7eb70 CHR  /dev/console';

test('the open files of a task', () => {
  expect(run('files 95')).toMatchObject({
    lines: [
      POSTGRES,
      'ROOT: /    CWD: /',
      HEADER,
      '  0 ffff8889963d6100 ffff8889820826c0 ffff8889811d5f30 CHR  /dev/null',
      CONSOLE,
      '  2 ffff8889824dc700 ffff888981473840 ffff888981b7eb70 CHR  /dev/console',
    ],
    problems: [],
  });
  expect(json('files 95')).toMatchObject({
    data: [{ cwd: '/', files: [{ fd: 0, type: 'CHR', path: '/dev/null' }, {}, {}] }],
  });
});

test('only what is referred to: a descriptor, a path', () => {
  expect(run('files -R 1 95').lines).toEqual([POSTGRES, 'ROOT: /    CWD: /', HEADER, CONSOLE]);
  expect(run('files -R userfaultfd 96').lines.filter((line) => line.includes('[userfaultfd]'))).toHaveLength(1);
  expect(run('files -R /nowhere 95').lines).toEqual([]);
});

test('pages in the page cache', () => {
  expect(run('files -c 95').lines.slice(2, 4)).toEqual([
    ' FD      INODE          I_MAPPING     NRPAGES TYPE PATH',
    '  0 ffff8889811d5f30 ffff8889811d60a8       0 CHR  /dev/null',
  ]);
});

test('a dentry', () => {
  expect(run('files -d ffff8889820826c0').lines[1]).toMatch(
    /^ffff8889820826c0 ffff8889811d5f30 [0-9a-f]{16} CHR  \/dev\/null$/,
  );
  expect(run('files -d nonsense').failures).toEqual(["files: -d 'nonsense': must be the address of a dentry"]);
});

test('a descriptor that an open(2) has reserved is told', () => {
  expect(run('files crond-log')).toMatchObject({ problems: [] });
  expect(run('files crond-log').lines.at(-1)).toBe('  3 (an open(2) that has not returned)');
});

test('the pages of an inode', () => {
  expect(run('files -p ffff888981b7f4a0')).toMatchObject({
    lines: [
      '     INODE        NRPAGES',
      'ffff888981b7f4a0        1',
      '',
      '      PAGE       PHYSICAL      MAPPING       INDEX CNT FLAGS',
      'fffffb3ec00d2fc0  34bf000 ffff888981b7f618        0  1 fffffc008003e referenced,uptodate,dirty,lru,active,swapbacked',
    ],
    problems: [],
  });
  expect(run('files -p ffff8889811d5f30').lines).toEqual([
    '     INODE        NRPAGES',
    'ffff8889811d5f30        0',
    '',
  ]);
  expect(json('files -p ffff888981b7f4a0')).toMatchObject({
    data: { pages: 1, cached: [{ index: 0, page: '0xfffffb3ec00d2fc0' }] },
  });
  expect(run('files -p 12').failures).toEqual(["files: -p '12': must be the address of an inode"]);
});
