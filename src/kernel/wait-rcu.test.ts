import { describe, expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { completing, Sleeper } from '../../test/builders/sleepers.ts';

const STACK = ['__schedule', 'schedule', 'schedule_timeout', '__wait_for_common', '__wait_rcu_gp', 'synchronize_rcu'];

/** A sleeper with a `struct rcu_synchronize` on its stack; no grace period runs. */
function waiting(lists: boolean): Sleeper {
  const sleeper = new Sleeper();
  const { image, tasks } = sleeper;
  image.function('wakeme_after_rcu');
  image.struct('callback_head', { next: 'void *', func: 'void *' });
  image.struct('rcu_synchronize', { head: 'struct callback_head', completion: 'struct completion' });
  image.struct('llist_head', { first: 'void *' });
  image.struct('rcu_state', {
    gp_kthread: 'struct task_struct *',
    gp_seq: 'unsigned long',
    ...(lists ? { srs_next: 'struct llist_head', srs_wait_tail: 'void *', srs_done_tail: 'void *' } : {}),
  });
  tasks.add('rcu_preempt', { pid: 15, flags: 0x200000, __state: 1 });
  image.global('rcu_state', 'struct rcu_state', { gp_kthread: ref('rcu_preempt'), gp_seq: 8 });
  sleeper.on('request', 'struct rcu_synchronize', {});
  completing(sleeper, 'request.completion');
  return sleeper;
}

describe('a wait for a grace period of RCU', () => {
  it('is a callback that wakes the sleeper', () => {
    const sleeper = waiting(false);
    sleeper.image.write('request.head.func', ref('wakeme_after_rcu'));
    const wait = sleeper.wait(STACK);
    expect(wait).toMatchObject({ kind: 'grace-period', proof: 'structure' });
    expect(wait.object).toEqual({ address: sleeper.image.address('rcu_state'), ctype: 'struct rcu_state' });
    expect(wait.awaited).toMatchObject([{ task: sleeper.image.address('rcu_preempt'), certainty: 'inferred' }]);
  });

  it('is an entry of the lists that the thread of the grace periods has since 6.10', () => {
    const sleeper = waiting(true);
    sleeper.image.place('another', 'void *', ref('request.head'));
    sleeper.image.write('rcu_state.srs_wait_tail', ref('another'));
    expect(sleeper.wait(STACK)).toMatchObject({ kind: 'grace-period', proof: 'structure' });
  });

  it('is none where neither is so: the functions alone say it', () => {
    expect(waiting(true).wait(STACK)).toMatchObject({ kind: 'completion', proof: 'structure', awaited: [] });
    expect(waiting(false).wait(STACK)).toMatchObject({ kind: 'completion', awaited: [] });
  });

  it('of SRCU leads to nobody: its readers are not told by task', () => {
    const sleeper = waiting(false);
    sleeper.image.write('request.head.func', ref('wakeme_after_rcu'));
    const wait = sleeper.wait([...STACK.slice(0, 5), '__synchronize_srcu']);
    expect(wait).toMatchObject({ kind: 'grace-period', what: 'for a grace period of SRCU', awaited: [] });
  });
});
