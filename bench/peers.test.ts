import { expect, it } from 'vitest';
import { fill, findPeers } from './peers.ts';

it('fills placeholders; a path with blanks stays one word', () => {
  const values = { dump: '/a b/vmcore', vmlinux: '/v', script: '/s' };
  expect(fill(' crash -s  -i {script} {vmlinux} {dump} --x={other}', values)).toEqual([
    'crash',
    '-s',
    '-i',
    '/s',
    '/v',
    '/a b/vmcore',
    '--x={other}',
  ]);
});

it('says which peers are not named', () => {
  const none = findPeers({});
  expect(none.found).toEqual([]);
  expect(none.missing).toEqual(['drgn: KWHY_BENCH_DRGN is not set', 'crash: KWHY_BENCH_CRASH is not set']);
});

it('finds debuginfo by the release of the kernel', () => {
  const folder = import.meta.dirname;
  const peers = findPeers({
    KWHY_BENCH_DRGN: 'drgn {dump} {script}',
    KWHY_BENCH_VMLINUX: `${folder}/{release}.test.ts`,
  });
  expect(peers.found.map(({ name }) => name)).toEqual(['drgn']);
  expect(peers.found[0]?.command('a.py', '/d', '/v')).toEqual(['drgn', '/d', `${folder}/a.py`]);
  expect(peers.vmlinuxOf('peers')).toBe(`${folder}/peers.test.ts`);
  expect(peers.vmlinuxOf('6.1.0')).toBeUndefined();
  expect(peers.vmlinuxOf(undefined)).toBeUndefined();
  expect(peers.missing).toEqual([
    'crash: KWHY_BENCH_CRASH is not set',
    'debuginfo of 6.1.0: KWHY_BENCH_VMLINUX names no file',
  ]);
});
