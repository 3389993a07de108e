/** Memory cgroups: the tree, the group of each task, and whether a group is at its limit. */
import type { VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import { taskCgroup } from '../../kernel/cgroup.ts';
import { type Memcg, memcgTree } from '../../kernel/memcg.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { MEMCG_FULL } from './thresholds.ts';

export interface Memcgs {
  /** The root first, each group before its children; empty where this kernel has none or has them in another form. */
  readonly groups: readonly Memcg[];
  /** The memory cgroup that a task is charged to; undefined when it is not known. */
  readonly of: (task: Task) => Memcg | undefined;
  /** The group itself or its nearest ancestor that is at its limit. */
  readonly full: (group: Memcg) => { readonly group: Memcg; readonly limit: 'max' | 'high' } | undefined;
}

export const memcgsFact = defineFact<Memcgs>({
  id: 'memcgs',
  derive({ program, cover }) {
    // No memory cgroups, or those of a kernel before 4.18: nothing is said of them.
    const tree = attempt(() => memcgTree(program));
    if (tree === undefined) return { groups: [], of: () => undefined, full: () => undefined };
    const total = tree.problems.length > 0 ? undefined : tree.groups.length;
    cover({ what: 'memory cgroups', read: tree.groups.length, total, missing: tree.problems });
    const byAddress = new Map(tree.groups.map((group) => [group.address, group]));
    const ofCgroup = cgroupMap(program, tree.groups);
    return {
      groups: tree.groups,
      of: (task) => {
        const cgroup = attempt(() => taskCgroup(program, task.address, 'memory'));
        return cgroup === undefined ? undefined : ofCgroup.get(cgroup);
      },
      full(group) {
        for (let at: Memcg | undefined = group; at !== undefined; ) {
          const limit = limitReached(at);
          if (limit !== undefined) return { group: at, limit };
          at = at.parent === undefined ? undefined : byAddress.get(at.parent);
        }
        return undefined;
      },
    };
  },
});

function limitReached({ memory }: Memcg): 'max' | 'high' | undefined {
  if (memory.max !== undefined && memory.usage >= memory.max * MEMCG_FULL) return 'max';
  return memory.high !== undefined && memory.usage >= memory.high * MEMCG_FULL ? 'high' : undefined;
}

/** `struct cgroup *` to the memory cgroup of it. */
function cgroupMap(program: Parameters<typeof memcgTree>[0], groups: readonly Memcg[]): ReadonlyMap<VirtAddr, Memcg> {
  const cgroup = program.field('struct mem_cgroup', 'css.cgroup');
  return new Map(
    groups.flatMap((group): [VirtAddr, Memcg][] => {
      const address = attempt(() => cgroup.pointer(group.address));
      return address === undefined ? [] : [[address, group]];
    }),
  );
}
