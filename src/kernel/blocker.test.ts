import { describe, expect, it } from 'vitest';
import { KernelImage, ref, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { virt } from '../base/address.ts';
import { FaultError } from '../base/errors.ts';
import { type Blocker, blockerOf } from './blocker.ts';

function blocker(
  members: { readonly [name: string]: string },
  value: { readonly [path: string]: Value },
): { readonly found: Blocker | undefined; readonly lock: bigint } {
  const image = new KernelImage();
  image.struct('mutex', { owner: 'atomic_long_t' });
  image.struct('mutex_waiter', { list: 'struct list_head' });
  image.struct('task_struct', { pid: 'int', ...members, comm: 'char[16]' });
  image.place('lock', 'struct mutex');
  image.place('task', 'struct task_struct', value);
  return { found: blockerOf(programOfImage(image), image.address('task')), lock: image.address('lock') };
}

const BLOCKER = { blocker: 'unsigned long' };
const BLOCKED_ON = { blocked_on: 'struct mutex *' };

describe('blockerOf', () => {
  it.each([
    [0, 'mutex', undefined],
    [1, 'semaphore', undefined],
    [2, 'rw_semaphore', 'read'],
    [3, 'rw_semaphore', 'write'],
  ] as const)('tells the lock and its kind from its type bits %i', (bits, kind, mode) => {
    const { found, lock } = blocker(BLOCKER, { blocker: ref('lock', bits) });
    expect(found).toEqual({ kind, mode, lock });
  });

  it('takes the word for proxy execution, or that of 6.15, where there is no other', () => {
    const both = blocker({ ...BLOCKER, ...BLOCKED_ON }, { blocked_on: ref('lock') });
    expect(both.found).toEqual({ kind: 'mutex', mode: undefined, lock: both.lock });
    const old = blocker({ blocker_mutex: 'struct mutex *' }, { blocker_mutex: ref('lock') });
    expect(old.found?.lock).toBe(old.lock);
  });

  it.each([
    ['no member', {}, {}],
    ['nothing', BLOCKER, {}],
    ['what is no kernel address', BLOCKER, { blocker: 0x4002n }],
    ['what lies odd', BLOCKER, { blocker: ref('lock', 4) }],
    ['PROXY_WAKING', BLOCKED_ON, { blocked_on: -1n }],
    ['a waiter (CONFIG_DEBUG_MUTEXES)', { blocked_on: 'struct mutex_waiter *' }, { blocked_on: ref('lock') }],
  ] as const)('is undefined for %s', (_what, members, value) => {
    expect(blocker(members, value).found).toBeUndefined();
  });

  it('throws where the task cannot be read', () => {
    const image = new KernelImage();
    image.struct('task_struct', { pid: 'int', ...BLOCKER });
    expect(() => blockerOf(programOfImage(image), virt(0xffff999900000000n))).toThrow(FaultError);
  });
});
