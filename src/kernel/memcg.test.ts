import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { LookupError } from '../base/errors.ts';
import { memcgStat, memcgTree } from './memcg.ts';

const PAGE = 4096;
const NONE = 0x7fffffffffffffffn / 4096n;

/** The root, /box with a limit, and /box/in, which is dying. */
function image(stat: 'since 6.0' | '5.10' = 'since 6.0'): KernelImage {
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

describe('the tree of memory cgroups', () => {
  it('has usage, limits, events; what is dying is told', () => {
    const built = image();
    const { groups, problems } = memcgTree(programOfImage(built));
    expect(problems).toEqual([]);
    expect(groups.map(({ path, dying }) => [path, dying])).toEqual([
      ['/', false],
      ['/box', false],
      ['/box/in', true],
    ]);
    expect(groups[1]).toMatchObject({
      parent: built.address('root'),
      memory: { usage: 500 * PAGE, max: 512 * PAGE, high: 400 * PAGE, peak: 512 * PAGE },
      swap: { usage: 0, max: undefined, high: undefined },
      oomGroup: true,
    });
    expect([...(groups[1]?.events ?? [])]).toEqual([
      ['low', 0],
      ['high', 0],
      ['max', 7],
      ['oom', 0],
      ['oom_kill', 2],
    ]);
    // Below zero for a moment.
    expect(groups[2]?.memory).toMatchObject({ usage: 0, max: undefined });
  });

  it('a group that cannot be read costs itself and what is below it', () => {
    const built = image();
    built.write('root.css.children.next', 0xffff880000000000n);
    const { groups, problems } = memcgTree(programOfImage(built));
    expect([groups.length, problems.length]).toEqual([1, 1]);
  });

  it('a loop ends', () => {
    const built = image();
    built.list('in.css.children', []);
    built.write('in.css.children.next', ref('box.css.sibling'));
    built.write('in.css.children.prev', ref('box.css.sibling'));
    const { groups, problems } = memcgTree(programOfImage(built));
    expect([groups.length, problems.length]).toEqual([3, 1]);
  });

  it('is refused where page_counter has no max, as until 4.17', () => {
    const built = new KernelImage();
    built.struct('mem_cgroup', { id: 'int' });
    built.global('root_mem_cgroup', 'struct mem_cgroup *', 0xffff888000100000n);
    expect(() => memcgTree(programOfImage(built))).toThrow(LookupError);
  });
});

describe('memory.stat of a group', () => {
  it('has what CPUs and descendants have not passed on, since 5.13', () => {
    const built = image();
    const program = programOfImage(built);
    const { groups } = memcgTree(program);
    const stat = (label: string, item: string) => memcgStat(program, groups, built.address(label), item);
    // 50 of its own, 10 pending from a child, 2 + 6 on the CPUs of it and of its child.
    expect(stat('box', 'NR_ANON_MAPPED')).toBe((50 + 10 + 2 + 6) * PAGE);
    expect(stat('in', 'NR_ANON_MAPPED')).toBe((50 + 6) * PAGE);
    expect(stat('in', 'NR_SLAB_RECLAIMABLE_B')).toBe(640);
    expect(stat('in', 'NR_KERNEL_STACK_KB')).toBe(32 * 1024);
    expect(stat('in', 'MEMCG_NOT_HERE')).toBeUndefined();
  });

  it('5.10: atomics in the group', () => {
    const built = image('5.10');
    const program = programOfImage(built);
    const { groups } = memcgTree(program);
    expect(memcgStat(program, groups, built.address('box'), 'NR_ANON_MAPPED')).toBe((50 + 2 + 6) * PAGE);
  });

  it.each([
    { what: 'u8 with 0xff for none, since 6.12', table: [0, 0xff, 2], anon: 50 + 6 },
    { what: 's8 with 0 for none and else one more, 6.11', table: [1, 0, 3], anon: 50 + 6 },
  ])('by a table of the counters that cgroups have: $what', ({ table, anon }) => {
    const built = image();
    built.global('mem_cgroup_stats_index', 'u8[3]', table);
    const program = programOfImage(built);
    const { groups } = memcgTree(program);
    const stat = (item: string) => memcgStat(program, groups, built.address('in'), item);
    expect(stat('NR_ANON_MAPPED')).toBe(anon * PAGE);
    expect(stat('NR_SLAB_RECLAIMABLE_B')).toBeUndefined();
    expect(stat('NR_KERNEL_STACK_KB')).toBe(32 * 1024);
  });
});
