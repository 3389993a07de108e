import { describe, expect, it } from 'vitest';
import { ref, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { TasksBuilder } from '../../test/builders/tasks.ts';
import { add } from '../base/address.ts';
import { FaultError, LookupError } from '../base/errors.ts';
import { rtMutexState, rtMutexWait, rtMutexWaiters } from './rt-mutex.ts';

type Era = '6.1' | '5.10' | '3.10';

/** 'low', 'mid' and 'high' wait for 'lock', which 'holder' has; a tree of three, 'mid' on top, or a plist. */
function machine(era: Era = '6.1'): TasksBuilder {
  const tasks = new TasksBuilder('6.1', { pi_blocked_on: 'struct rt_mutex_waiter *' });
  const { image } = tasks;
  image.struct('rb_node', {
    __rb_parent_color: 'unsigned long',
    rb_right: 'struct rb_node *',
    rb_left: 'struct rb_node *',
  });
  image.struct('rb_root', { rb_node: 'struct rb_node *' });
  image.struct('rt_waiter_node', { entry: 'struct rb_node', prio: 'int' });
  image.struct('plist_head', { node_list: 'struct list_head' });
  image.struct('plist_node', { prio: 'int', prio_list: 'struct list_head', node_list: 'struct list_head' });
  const type = era === '6.1' ? 'rt_mutex_base' : 'rt_mutex';
  image.struct(type, {
    wait_lock: 'raw_spinlock_t',
    ...(era === '3.10' ? { wait_list: 'struct plist_head' } : { waiters: 'struct rb_root', leftmost: 'void *' }),
    owner: 'struct task_struct *',
  });
  image.struct('rt_mutex_waiter', {
    ...{
      '6.1': { tree: 'struct rt_waiter_node' },
      '5.10': { tree_entry: 'struct rb_node' },
      '3.10': { list_entry: 'struct plist_node' },
    }[era],
    task: 'struct task_struct *',
    lock: `struct ${type} *`,
  });
  image.place('lock', `struct ${type}`, { owner: ref('holder', 1) });
  for (const label of ['holder', 'low', 'mid', 'high']) {
    tasks.add(label, { pid: 100, __state: 2 });
    if (label === 'holder') continue;
    const at = add(image.address(`${label} stack`), 8 * 1600);
    image.place(`${label} waiter`, 'struct rt_mutex_waiter', { task: ref(label), lock: ref('lock') }, { at });
    image.write(`${label}.pi_blocked_on`, ref(`${label} waiter`));
  }
  tasks.link();
  if (era === '3.10') {
    image.list(
      'lock.wait_list.node_list',
      ['high', 'mid', 'low'].map((label) => `${label} waiter.list_entry.node_list`),
    );
    return tasks;
  }
  const node = era === '6.1' ? 'tree.entry' : 'tree_entry';
  const put = (label: string, value: { readonly [path: string]: Value }): void => {
    for (const [path, to] of Object.entries(value)) image.write(`${label} waiter.${node}.${path}`, to);
  };
  image.write('lock.waiters.rb_node', ref(`mid waiter.${node}`));
  put('mid', { __rb_parent_color: 1, rb_left: ref(`high waiter.${node}`), rb_right: ref(`low waiter.${node}`) });
  put('high', { __rb_parent_color: ref(`mid waiter.${node}`) });
  put('low', { __rb_parent_color: ref(`mid waiter.${node}`) });
  return tasks;
}

describe('rtMutexState', () => {
  it('names the owner beside the flag of waiters', () => {
    const { image } = machine();
    const state = (owner: Value): unknown => {
      image.write('lock.owner', owner);
      const { owner: at, hasWaiters } = rtMutexState(programOfImage(image), image.address('lock'));
      return [at, hasWaiters];
    };
    expect(state(ref('holder', 1))).toEqual([image.address('holder'), true]);
    expect(state(ref('holder'))).toEqual([image.address('holder'), false]);
    expect(state(0)).toEqual([undefined, false]);
    expect(state(1)).toEqual([undefined, true]);
    expect(state(0x6b6b6b6b6b6b6b6bn)).toEqual([undefined, true]);
  });
});

describe('rtMutexWaiters', () => {
  it.each(['6.1', '5.10', '3.10'] as const)('are in the order of priority, in the layout of %s', (era) => {
    const { image } = machine(era);
    const program = programOfImage(image);
    expect(rtMutexWaiters(program, image.address('lock'))).toEqual({
      waiters: ['high', 'mid', 'low'].map((label) => ({
        address: image.address(`${label} waiter`),
        task: image.address(label),
      })),
      problem: undefined,
    });
    expect(program.layouts.unproven.length).toBe(era === '6.1' ? 0 : 1);
  });

  it('are none of a lock that nobody waits for', () => {
    const { image } = machine();
    image.write('lock.waiters.rb_node', 0);
    expect(rtMutexWaiters(programOfImage(image), image.address('lock')).waiters).toEqual([]);
  });

  it('end where the tree is damaged, and say so', () => {
    const { image } = machine();
    image.write('low waiter.tree.entry.__rb_parent_color', ref('high waiter.tree.entry'));
    const { waiters, problem } = rtMutexWaiters(programOfImage(image), image.address('lock'));
    expect(waiters.map(({ task }) => task)).toEqual(['high', 'mid'].map((label) => image.address(label)));
    expect(problem).toContain('its parent is another node');
  });

  it('of a layout that is not known cannot be read', () => {
    const tasks = new TasksBuilder();
    expect(() => rtMutexWaiters(programOfImage(tasks.image), tasks.image.address('init_task'))).toThrow(LookupError);
  });
});

describe('rtMutexWait', () => {
  it.each(['6.1', '5.10', '3.10'] as const)('is what the task says itself, in the layout of %s', (era) => {
    const { image } = machine(era);
    const wait = rtMutexWait(programOfImage(image), image.address('mid'));
    expect(wait).toEqual({ waiter: image.address('mid waiter'), base: image.address('lock') });
  });

  it.each([
    ['nothing', 0],
    ['PI_WAKEUP_INPROGRESS', 1],
    ['the waiter of another', ref('high waiter')],
    ['what is no waiter', ref('lock')],
  ] as const)('is none of a task that names %s', (_what, value) => {
    const { image } = machine();
    image.write('mid.pi_blocked_on', value);
    expect(rtMutexWait(programOfImage(image), image.address('mid'))).toBeUndefined();
  });

  it('is not believed of a waiter beside the stack, nor of a lock that is none', () => {
    const { image } = machine();
    image.place('elsewhere', 'struct rt_mutex_waiter', { task: ref('mid'), lock: ref('lock') });
    image.write('mid.pi_blocked_on', ref('elsewhere'));
    expect(rtMutexWait(programOfImage(image), image.address('mid'))).toBeUndefined();
    image.write('high waiter.lock', 0x41);
    expect(rtMutexWait(programOfImage(image), image.address('high'))).toBeUndefined();
  });

  it('cannot be read where the waiter lies on a lost page', () => {
    const { image } = machine();
    image.write('mid.pi_blocked_on', 0xffff900000000000n);
    expect(() => rtMutexWait(programOfImage(image), image.address('mid'))).toThrow(FaultError);
  });
});
