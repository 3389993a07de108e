import { describe, expect, it } from 'vitest';
import { KernelImage, ref, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { LookupError } from '../base/errors.ts';
import { mutexState, type MutexState } from './mutex.ts';

type Era = '4.10' | '3.10' | '3.10 without owner' | '2.6.32';

const MEMBERS = {
  '4.10': { owner: 'atomic_long_t', wait_lock: 'spinlock_t', wait_list: 'struct list_head' },
  '3.10': {
    count: 'atomic_t',
    wait_lock: 'spinlock_t',
    wait_list: 'struct list_head',
    owner: 'struct task_struct *',
  },
  '3.10 without owner': { count: 'atomic_t', wait_lock: 'spinlock_t', wait_list: 'struct list_head' },
  '2.6.32': {
    count: 'atomic_t',
    wait_lock: 'spinlock_t',
    wait_list: 'struct list_head',
    owner: 'struct thread_info *',
  },
} as const;

function imageOf(era: Era, value: { readonly [path: string]: Value }): KernelImage {
  const image = new KernelImage();
  image.struct('task_struct', { pid: 'int', comm: 'char[60]' });
  image.struct('thread_info', { task: 'struct task_struct *' });
  image.struct('mutex', MEMBERS[era]);
  image.place('holder', 'struct task_struct');
  image.place('thread_info', 'struct thread_info', { task: ref('holder') });
  image.place('m', 'struct mutex', value);
  return image;
}

function stateOf(era: Era, value: { readonly [path: string]: Value }): MutexState & { readonly image: KernelImage } {
  const image = imageOf(era, value);
  return { ...mutexState(programOfImage(image), image.address('m')), image };
}

describe('a mutex since 4.10', () => {
  it('is free when its word is zero', () => {
    expect(stateOf('4.10', {})).toMatchObject({ owner: undefined, locked: false, hasWaiters: false, raw: 0n });
  });

  it.each([0, 1, 2, 4, 7])('names its owner beside the flags %i', (flags) => {
    const state = stateOf('4.10', { owner: ref('holder', flags) });
    const holder = state.image.address('holder');
    expect(state).toMatchObject({ owner: holder, locked: true, hasWaiters: (flags & 1) !== 0 });
    expect(state.raw).toBe(holder + BigInt(flags));
  });

  it('is free while it is handed over: flags and nobody', () => {
    expect(stateOf('4.10', { owner: 3 })).toMatchObject({ owner: undefined, locked: false, hasWaiters: true });
  });

  it('with a word that makes no sense has no owner', () => {
    expect(stateOf('4.10', { owner: 0x6b6b6b6b6b6b6b6bn })).toMatchObject({ owner: undefined, locked: true });
  });
});

describe('a mutex until 4.9', () => {
  it('counts', () => {
    const brief = (count: number): unknown => {
      const { locked, hasWaiters, raw } = stateOf('3.10 without owner', { count });
      return [locked, hasWaiters, raw];
    };
    expect(brief(1)).toEqual([false, false, 1n]);
    expect(brief(0)).toEqual([true, false, 0n]);
    expect(brief(-1)).toEqual([true, true, 0xffffffffn]);
    expect(stateOf('3.10 without owner', { count: -1 }).owner).toBeUndefined();
  });

  it('names its owner, a task or its thread_info', () => {
    for (const [era, owner] of [
      ['3.10', ref('holder')],
      ['2.6.32', ref('thread_info')],
    ] as const) {
      const state = stateOf(era, { count: -1, owner });
      expect(state.owner).toBe(state.image.address('holder'));
      expect(stateOf(era, { count: 1 }).owner).toBeUndefined();
      expect(stateOf(era, { count: 0, owner: 0x1234 }).owner).toBeUndefined();
    }
  });
});

describe('a mutex of PREEMPT_RT', () => {
  const inside = (type: 'rt_mutex_base' | 'rt_mutex', owner: Value): KernelImage => {
    const image = new KernelImage();
    image.struct('task_struct', { pid: 'int', comm: 'char[60]' });
    image.struct(type, { wait_lock: 'raw_spinlock_t', waiters: 'void *', owner: 'struct task_struct *' });
    image.struct('mutex', type === 'rt_mutex_base' ? { rtmutex: 'struct rt_mutex_base' } : { lock: 'struct rt_mutex' });
    image.place('holder', 'struct task_struct');
    image.place('m', 'struct mutex', { [type === 'rt_mutex_base' ? 'rtmutex.owner' : 'lock.owner']: owner });
    return image;
  };

  it.each(['rt_mutex_base', 'rt_mutex'] as const)('is what the %s inside is', (type) => {
    for (const [owner, locked, hasWaiters] of [
      [ref('holder', 1), true, true],
      [ref('holder'), true, false],
      [0, false, false],
    ] as const) {
      const image = inside(type, owner);
      const program = programOfImage(image);
      expect(mutexState(program, image.address('m'))).toMatchObject({
        owner: locked ? image.address('holder') : undefined,
        locked,
        hasWaiters,
      });
      expect(program.layouts.unproven.length).toBe(type === 'rt_mutex' ? 1 : 0);
    }
  });

  it('is not every mutex that has a member of the name', () => {
    const image = new KernelImage();
    image.struct('mutex', { lock: 'spinlock_t', wait_list: 'struct list_head' });
    image.place('m', 'struct mutex');
    expect(() => mutexState(programOfImage(image), image.address('m'))).toThrow(LookupError);
  });
});

describe('a mutex with more around it', () => {
  it('is read by its members, whatever CONFIG_DEBUG_MUTEXES adds, and inside a ww_mutex', () => {
    const image = new KernelImage();
    image.struct('task_struct', { pid: 'int', comm: 'char[60]' });
    image.struct('mutex', {
      debug: 'void *',
      owner: 'atomic_long_t',
      wait_list: 'struct list_head',
      magic: 'void *',
      dep_map: 'u64[6]',
    });
    image.struct('ww_mutex', { base: 'struct mutex', ctx: 'void *' });
    image.place('holder', 'struct task_struct');
    image.place('w', 'struct ww_mutex', { 'base.owner': ref('holder', 1) });
    expect(mutexState(programOfImage(image), image.address('w.base')).owner).toBe(image.address('holder'));
  });
});
