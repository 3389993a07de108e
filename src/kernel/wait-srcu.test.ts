import { describe, expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { completing, Sleeper } from '../../test/builders/sleepers.ts';

const STACK = ['__schedule', 'schedule', 'schedule_timeout', '__wait_for_common', '__synchronize_srcu'];

/** The sleeper waits for readers of table_srcu, whose counts are these on the two CPUs. */
function waiting(entered: readonly [number, number], left: readonly [number, number], since615 = false): Sleeper {
  const sleeper = new Sleeper();
  const { image } = sleeper;
  image.function('wakeme_after_rcu');
  image.struct('callback_head', { next: 'void *', func: 'void *' });
  image.struct('rcu_synchronize', { head: 'struct callback_head', completion: 'struct completion' });
  image.struct('rcu_segcblist', { head: 'void *' });
  image.struct('srcu_ctr', { srcu_locks: 'unsigned long', srcu_unlocks: 'unsigned long' });
  const rest = { srcu_cblist: 'struct rcu_segcblist', ssp: 'struct srcu_struct *' };
  const counts = { srcu_lock_count: 'unsigned long[2]', srcu_unlock_count: 'unsigned long[2]' };
  if (since615) image.struct('srcu_data', { srcu_ctrs: 'struct srcu_ctr[2]', ...rest });
  else image.struct('srcu_data', { ...counts, ...rest });
  image.struct('srcu_struct', { srcu_idx: 'unsigned int', sda: 'struct srcu_data *' });
  image.global('table_srcu', 'struct srcu_struct');
  const names = since615
    ? (['srcu_ctrs[0].srcu_locks', 'srcu_ctrs[1].srcu_unlocks'] as const)
    : (['srcu_lock_count[0]', 'srcu_unlock_count[1]'] as const);
  const base = image.perCpuPointer(
    'data',
    'struct srcu_data',
    [0, 1].map((cpu) => ({ [names[0]]: entered[cpu] ?? 0, [names[1]]: left[cpu] ?? 0, ssp: ref('table_srcu') })),
  );
  image.write('table_srcu.sda', base);
  sleeper.on('request', 'struct rcu_synchronize', { 'head.func': ref('wakeme_after_rcu') });
  completing(sleeper, 'request.completion');
  image.write('data@1.srcu_cblist.head', ref('request'));
  image.struct('saved', { register: 'void *' });
  sleeper.on('saved', 'struct saved', { register: ref('table_srcu') }, 1680);
  return sleeper;
}

describe('a grace period of SRCU', () => {
  it('is of the structure among whose callbacks the sleeper stands; its readers are counted, not named', () => {
    for (const since615 of [false, true]) {
      const sleeper = waiting([5, 3], [4, 2], since615);
      const wait = sleeper.wait(STACK);
      expect(wait).toMatchObject({ kind: 'grace-period', edge: 'SRCU grace period', name: 'table_srcu', awaited: [] });
      expect(wait.object).toEqual({ address: sleeper.image.address('table_srcu'), ctype: 'struct srcu_struct' });
      expect(wait.detail).toBe('2 readers have not left; SRCU does not record who');
    }
  });

  it('whose readers have all left says so', () => {
    expect(waiting([5, 3], [4, 4]).wait(STACK).detail).toBe('all its readers have left');
  });

  it('of another structure, or of one that its own data do not name, is of none that is known', () => {
    const other = waiting([5, 3], [4, 2]);
    other.image.write('data@1.srcu_cblist.head', 0);
    expect(other.wait(STACK)).toMatchObject({ what: 'for a grace period of SRCU', name: undefined });
    const damaged = waiting([5, 3], [4, 2]);
    damaged.image.write('data@0.ssp', 0);
    expect(damaged.wait(STACK)).toMatchObject({ what: 'for a grace period of SRCU', name: undefined });
  });

  it('with more that left than entered has no count', () => {
    expect(waiting([1, 1], [4, 2]).wait(STACK).detail).toBeUndefined();
  });
});
