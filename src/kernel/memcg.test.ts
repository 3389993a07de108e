import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { memcgImage } from '../../test/builders/memcg.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { LookupError } from '../base/errors.ts';
import { memcgStat, memcgTree } from './memcg.ts';

const PAGE = 4096;

describe('the tree of memory cgroups', () => {
  it('has usage, limits, events; what is dying is told', () => {
    const built = memcgImage();
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
    const built = memcgImage();
    built.write('root.css.children.next', 0xffff880000000000n);
    const { groups, problems } = memcgTree(programOfImage(built));
    expect([groups.length, problems.length]).toEqual([1, 1]);
  });

  it('a loop ends', () => {
    const built = memcgImage();
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
    const built = memcgImage();
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
    const built = memcgImage('5.10');
    const program = programOfImage(built);
    const { groups } = memcgTree(program);
    expect(memcgStat(program, groups, built.address('box'), 'NR_ANON_MAPPED')).toBe((50 + 2 + 6) * PAGE);
  });

  it.each([
    { what: 'u8 with 0xff for none, since 6.12', table: [0, 0xff, 2], anon: 50 + 6 },
    { what: 's8 with 0 for none and else one more, 6.11', table: [1, 0, 3], anon: 50 + 6 },
  ])('by a table of the counters that cgroups have: $what', ({ table, anon }) => {
    const built = memcgImage();
    built.global('mem_cgroup_stats_index', 'u8[3]', table);
    const program = programOfImage(built);
    const { groups } = memcgTree(program);
    const stat = (item: string) => memcgStat(program, groups, built.address('in'), item);
    expect(stat('NR_ANON_MAPPED')).toBe(anon * PAGE);
    expect(stat('NR_SLAB_RECLAIMABLE_B')).toBeUndefined();
    expect(stat('NR_KERNEL_STACK_KB')).toBe(32 * 1024);
  });
});
