import { describe, expect, it } from 'vitest';
import { KernelImage, ref, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import type { Members } from '../../test/builders/types.ts';
import { LookupError } from '../base/errors.ts';
import { rwsemState, type RwsemState } from './rwsem.ts';

const TODAY: Members = { count: 'atomic_long_t', owner: 'atomic_long_t', wait_list: 'struct list_head' };
const UNTIL_5_2: Members = { count: 'atomic_long_t', wait_list: 'struct list_head', owner: 'struct task_struct *' };
const WITHOUT_OWNER: Members = { count: 'long', wait_lock: 'raw_spinlock_t', wait_list: 'struct list_head' };

function stateOf(
  members: Members,
  value: { readonly [path: string]: Value },
): RwsemState & { readonly holder: bigint } {
  const image = new KernelImage();
  image.struct('task_struct', { pid: 'int', comm: 'char[60]' });
  image.struct('rw_semaphore', members);
  image.place('holder', 'struct task_struct');
  image.place('lock', 'struct rw_semaphore', value);
  return { ...rwsemState(programOfImage(image), image.address('lock')), holder: image.address('holder') };
}

/** Who holds it, readers, waiters, what the owner field is, and whether it names the holder. */
function brief(members: Members, count: bigint, owner?: Value): unknown {
  const state = stateOf(members, owner === undefined ? { count } : { count, owner });
  return [state.heldBy, state.readers, state.hasWaiters, state.ownerIs, state.owner === state.holder];
}

describe('an rw_semaphore since 5.3', () => {
  it.each([
    ['free', 0n, 0, ['nobody', 0, false, undefined, false]],
    ['free, after a reader', 0n, ref('holder', 1), ['nobody', 0, false, 'hint', true]],
    ['held for writing', 1n, ref('holder'), ['writer', undefined, false, 'exact', true]],
    ['held for writing, with waiters', 3n, ref('holder'), ['writer', undefined, true, 'exact', true]],
    ['with waiters and handoff, nonspinnable', 7n, ref('holder', 2), ['writer', undefined, true, 'exact', true]],
    [
      'just taken for writing: the owner is still a reader',
      1n,
      ref('holder', 1),
      ['writer', undefined, false, 'hint', true],
    ],
    ['held by one reader', 0x100n, ref('holder', 1), ['readers', 1, false, 'hint', true]],
    ['held by a reader, with waiters', 0x102n, ref('holder', 3), ['readers', 1, true, 'hint', true]],
    ['held by many readers', 0x12345600n, ref('holder', 1), ['readers', 0x123456, false, 'hint', true]],
    ['with reads failing', 0x8000000000000102n, ref('holder', 7), ['readers', 1, true, 'hint', true]],
    ['with waiters and nobody', 2n, 1, ['nobody', 0, true, undefined, false]],
    ['with an owner that makes no sense', 1n, 0x1234, ['writer', undefined, false, undefined, false]],
  ] as const)('%s', (_name, count, owner, expected) => {
    expect(brief(TODAY, count, owner)).toEqual(expected);
  });

  it('keeps the words', () => {
    const state = stateOf(TODAY, { count: 0x102, owner: ref('holder', 3) });
    expect([state.count, state.rawOwner]).toEqual([0x102n, state.holder + 3n]);
  });
});

describe('an rw_semaphore until 5.2', () => {
  // RWSEM_WAITING_BIAS is -0x100000000, a writer's bias is that and 1.
  it.each([
    ['free', 0n, 0, ['nobody', 0, false, undefined, false]],
    ['held for writing', 0xffffffff00000001n, ref('holder'), ['writer', undefined, false, 'exact', true]],
    ['held for writing, with waiters', 0xfffffffe00000001n, ref('holder'), ['writer', undefined, true, 'exact', true]],
    ['held by readers', 3n, 1, ['readers', 3, false, undefined, false]],
    ['held by readers, the last one named', 3n, ref('holder', 1), ['readers', 3, false, 'hint', true]],
    ['held by a reader, with waiters', 0xffffffff00000001n, 1, ['readers', 1, true, undefined, false]],
    ['with waiters and nobody', 0xffffffff00000000n, 0, ['nobody', 0, true, undefined, false]],
  ] as const)('%s', (_name, count, owner, expected) => {
    expect(brief(UNTIL_5_2, count, owner)).toEqual(expected);
  });

  it.each([
    ['free', 0n, ['nobody', 0, false, undefined, false]],
    ['held by readers', 2n, ['readers', 2, false, undefined, false]],
    ['held by readers, with waiters', 0xffffffff00000002n, ['readers', 2, true, undefined, false]],
    ['a writer alone, or a reader with waiters', 0xffffffff00000001n, ['unknown', 1, undefined, undefined, false]],
  ] as const)('without an owner field: %s', (_name, count, expected) => {
    expect(brief(WITHOUT_OWNER, count)).toEqual(expected);
  });
});

describe('an rw_semaphore of PREEMPT_RT', () => {
  it('is not known', () => {
    expect(() => stateOf({ rwbase: 'struct list_head' }, {})).toThrow(LookupError);
  });
});

describe('an rw_semaphore of PREEMPT_RT', () => {
  function realtime(readers: number, owner: Value, before = false): RwsemState & { readonly holder: bigint } {
    const image = new KernelImage();
    const type = before ? 'rt_mutex' : 'rt_mutex_base';
    image.struct('task_struct', { pid: 'int', comm: 'char[60]' });
    image.struct(type, { wait_lock: 'raw_spinlock_t', waiters: 'void *', owner: 'struct task_struct *' });
    const words: Members = { readers: 'atomic_t', rtmutex: `struct ${type}` };
    image.struct('rwbase_rt', before ? {} : words);
    image.struct('rw_semaphore', before ? words : { rwbase: 'struct rwbase_rt' });
    image.place('holder', 'struct task_struct');
    const inside = before ? '' : 'rwbase.';
    image.place('lock', 'struct rw_semaphore', { [`${inside}readers`]: readers, [`${inside}rtmutex.owner`]: owner });
    const program = programOfImage(image);
    const state = rwsemState(program, image.address('lock'));
    expect(program.layouts.unproven.length).toBe(before ? 1 : 0);
    return { ...state, holder: image.address('holder') };
  }

  it.each([
    ['free', 0x80000000, 0, ['nobody', 0, false, false, false]],
    ['held by a reader', 0x80000001, 0, ['readers', 1, false, false, false]],
    ['held by a reader that a writer waits for', 1, ref('holder'), ['readers', 1, true, false, true]],
    ['the same, and more behind it', 3, ref('holder', 1), ['readers', 3, true, false, true]],
    ['held by a writer', 0x40000000, ref('holder'), ['writer', undefined, false, true, false]],
    ['held by a writer, with waiters', 0x40000000, ref('holder', 1), ['writer', undefined, true, true, false]],
    ['between its readers and the writer', 0, ref('holder', 1), ['nobody', 0, true, false, true]],
    ['damaged', 0x6b6b6b6b, ref('holder'), ['unknown', undefined, false, false, false]],
  ] as const)('%s', (_name, readers, owner, expected) => {
    for (const before of [false, true]) {
      const state = realtime(readers, owner, before);
      const own = [state.owner === state.holder, state.nextWriter === state.holder];
      expect([state.heldBy, state.readers, state.hasWaiters, ...own]).toEqual(expected);
    }
  });
});
