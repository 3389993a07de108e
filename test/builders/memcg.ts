/**
 * Memory cgroups by hand: the root, /box with limits (500 of 512 pages used, memory.high 400) and /box/in, which is dying
 * and has the task 'worker'. Each CPU of each group has 1 page that it has not passed on, 3 in the deepest.
 */
import { KernelImage, ref } from './image.ts';

const NONE = 0x7fffffffffffffffn / 4096n;

/** @param stat - how the kernel keeps statistics */
export function memcgImage(stat: 'since 6.0' | '5.10' = 'since 6.0'): KernelImage {
  const built = new KernelImage();
  built.cpus(2);
  built.enum('memcg_memory_event', ['MEMCG_LOW', 'MEMCG_HIGH', 'MEMCG_MAX', 'MEMCG_OOM', 'MEMCG_OOM_KILL']);
  built.enum('node_stat_item', ['NR_ANON_MAPPED', 'NR_SLAB_RECLAIMABLE_B', 'NR_KERNEL_STACK_KB']);
  built.enum(undefined, { CSS_ONLINE: 2, CSS_DYING: 16 });
  built.struct('kernfs_node', { parent: 'struct kernfs_node *', name: 'const char *' });
  built.struct('cgroup', { kn: 'struct kernfs_node *' });
  built.struct('cgroup_subsys_state', {
    cgroup: 'struct cgroup *',
    sibling: 'struct list_head',
    children: 'struct list_head',
    flags: 'unsigned int',
    parent: 'struct cgroup_subsys_state *',
  });
  built.struct('page_counter', {
    usage: 'atomic_long_t',
    high: 'unsigned long',
    max: 'unsigned long',
    watermark: 'unsigned long',
  });
  const atomics = stat === '5.10';
  if (atomics) built.struct('memcg_vmstats_percpu', { stat: 'long[3]' });
  else {
    built.struct('memcg_vmstats', { state: 'long[3]', state_pending: 'long[3]' });
    built.struct('memcg_vmstats_percpu', { state: 'long[3]', state_prev: 'long[3]' });
  }
  built.struct('mem_cgroup', {
    id: 'int',
    css: 'struct cgroup_subsys_state',
    memory: 'struct page_counter',
    swap: 'struct page_counter',
    memory_events: 'atomic_long_t[5]',
    oom_group: 'bool',
    vmstats: atomics ? 'atomic_long_t[3]' : 'struct memcg_vmstats *',
    vmstats_percpu: 'struct memcg_vmstats_percpu *',
  });
  const group = (
    label: string,
    name: string,
    up: string | undefined,
    members: Record<string, number | bigint>,
  ): void => {
    built.place(`${label} kn`, 'struct kernfs_node', { name, parent: up === undefined ? 0 : ref(`${up} kn`) });
    built.place(`${label} cgroup`, 'struct cgroup', { kn: ref(`${label} kn`) });
    built.place(label, 'struct mem_cgroup', {
      'css.cgroup': ref(`${label} cgroup`),
      'css.parent': up === undefined ? 0 : ref(`${up}.css`),
      'memory.max': NONE,
      'memory.high': NONE,
      'swap.max': NONE,
      'swap.high': NONE,
      ...members,
    });
  };
  group('root', '', undefined, {});
  group('box', 'box', 'root', {
    'memory.usage.counter': 500,
    'memory.max': 512,
    'memory.high': 400,
    'memory.watermark': 512,
    'memory_events[2].counter': 7,
    'memory_events[4].counter': 2,
    oom_group: 1,
    'css.flags': 2,
  });
  group('in', 'in', 'box', { 'memory.usage.counter': -1, 'css.flags': 18 });
  built.list('root.css.children', ['box.css.sibling']);
  built.list('box.css.children', ['in.css.sibling']);
  built.list('in.css.children', []);
  built.enum('cgroup_subsys_id', ['cpu_cgrp_id', 'memory_cgrp_id']);
  built.struct('css_set', { subsys: 'struct cgroup_subsys_state *[2]' });
  built.struct('task_struct', { pid: 'pid_t', cgroups: 'struct css_set *' });
  built.place('set', 'struct css_set', { 'subsys[1]': ref('in.css') });
  built.place('worker', 'struct task_struct', { pid: 7, cgroups: ref('set') });
  built.global('root_mem_cgroup', 'struct mem_cgroup *', ref('root'));
  for (const [i, label] of ['root', 'box', 'in'].entries()) {
    // Each CPU of each group has 1 page on its way, 3 in the deepest.
    const here = i === 2 ? 3 : 1;
    const percpu = atomics
      ? [{ 'stat[0]': here }, { 'stat[0]': here }]
      : [
          { 'state[0]': 100 + here, 'state_prev[0]': 100, 'state[1]': 640 },
          { 'state[0]': 100 + here, 'state_prev[0]': 100 },
        ];
    built.write(
      `${label}.vmstats_percpu`,
      built.perCpuPointer(`${label} percpu`, 'struct memcg_vmstats_percpu', percpu),
    );
    if (atomics) built.write(`${label}.vmstats[0].counter`, 50);
    else {
      built.place(`${label} stats`, 'struct memcg_vmstats', {
        'state[0]': 50,
        'state_pending[0]': i === 1 ? 10 : 0,
        'state[2]': 32,
      });
      built.write(`${label}.vmstats`, ref(`${label} stats`));
    }
  }
  return built;
}
