/**
 * Tasks that wait because their memory cgroup is at its limit, while the machine has memory: they are in reclaim of the
 * group, in its OOM killer, or slowed down above memory.high. A group at its limit in which nobody waits is normal: its
 * page cache fills it.
 */
import { blocked } from '../../model/condition.ts';
import type { VirtAddr } from '../../base/address.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import {
  byteCount,
  command,
  name,
  plural,
  prose,
  type Prose,
  symbol,
  task as taskValue,
  type Value,
} from '../../model/value.ts';
import type { Memcg } from '../../kernel/memcg.ts';
import type { Task } from '../../kernel/sched.ts';
import { memcgsFact, type Memcgs } from '../facts/memcgs.ts';
import { memoryData, memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { type OomCandidates, oomCandidatesFact } from '../facts/oom-candidates.ts';
import { type StackTable, stacksFact } from '../facts/stacks.ts';
import { type TaskTable, tasksFact } from '../facts/tasks.ts';
import { PILE_UP } from '../facts/thresholds.ts';
import { proofLines } from '../facts/proof.ts';

/** Who is in one of these is being charged, and the group has no room. */
const CHARGING =
  /^(mem_cgroup_oom_synchronize|mem_cgroup_out_of_memory|mem_cgroup_handle_over_high|__mem_cgroup_handle_over_high|try_to_free_mem_cgroup_pages|reclaim_high|mem_cgroup_oom)(\.|$)/;

/** Sums over processes are more than the group uses. */
const SHARED = ' (shared memory counted in each)';

interface Stuck {
  readonly group: Memcg;
  readonly limit: 'max' | 'high';
  readonly tasks: { readonly task: Task; readonly func: string }[];
}

export default defineDetector({
  id: 'memcg-limit',
  title: 'Memory cgroups at their limit',
  summary: 'Tasks of a full memory cgroup stand still although the machine has memory.',
  needs: {
    memcgs: memcgsFact,
    tasks: tasksFact,
    stacks: stacksFact,
    candidates: oomCandidatesFact,
    memory: memoryFact,
  },
  appliesTo: needsTypes,
  run: ({ memcgs, tasks, stacks, candidates, memory }, { pageSize }) =>
    stuckOf(memcgs, tasks, stacks)
      .filter(({ tasks: waiting }) => waiting.length >= PILE_UP)
      .map((stuck) => findingOf(stuck, { memcgs, candidates, memory, pageSize })),
});

function stuckOf(memcgs: Memcgs, { tasks }: TaskTable, stacks: StackTable): readonly Stuck[] {
  if (memcgs.groups.length < 2) return [];
  const found = new Map<VirtAddr, Stuck>();
  for (const task of tasks) {
    if (task.idle || task.kthread) continue;
    const func = stacks.of(task).frames.find((frame) => CHARGING.test(frame.func ?? ''))?.func;
    const own = func === undefined ? undefined : memcgs.of(task);
    const full = own === undefined ? undefined : memcgs.full(own);
    if (func === undefined || full === undefined) continue;
    const stuck = found.get(full.group.address) ?? { ...full, tasks: [] };
    stuck.tasks.push({ task, func });
    found.set(full.group.address, stuck);
  }
  return [...found.values()];
}

interface Given {
  readonly memcgs: Memcgs;
  readonly candidates: OomCandidates;
  readonly memory: MemoryState;
  readonly pageSize: number;
}

function findingOf(stuck: Stuck, { memcgs, candidates, memory, pageSize }: Given): Finding {
  const { group, limit, tasks } = stuck;
  const path = name(group.path ?? '(path not known)');
  const most = limit === 'max' ? group.memory.max : group.memory.high;
  const of = byteCount(most ?? 0);
  const kills = group.events.get('oom_kill') ?? 0;
  const holders = holdersOf(group, memcgs, candidates);
  const enough = memory.verdict === 'enough';
  const evidence: readonly Evidence[] = [
    {
      claim: prose`${path} uses ${byteCount(group.memory.usage)}; its memory.${limit} is ${of}.`,
      address: group.address,
      ctype: 'struct mem_cgroup',
      confidence: 'certain',
      show: `struct mem_cgroup.memory 0x${group.address.toString(16)}`,
    },
    ...tasks.slice(0, 5).map(({ task, func }) => ({
      claim: prose`${taskValue(task)} is in ${symbol(func)}.`,
      address: task.address,
      ctype: 'struct task_struct',
      confidence: 'certain' as const,
      show: `bt ${task.pid}`,
    })),
  ];
  return {
    detector: 'memcg-limit',
    cause: 'memcg-at-limit',
    role: 'cause',
    title: titleOf(stuck, path, enough),
    confidence: enough ? 'certain' : 'probable',
    ...(enough ? {} : { because: ['the machine is short of memory as well'] }),
    weight: tasks.length,
    explains: tasks.map(({ task }) => blocked(task.address)),
    story: [
      {
        topic: 'what',
        text: prose`${plural(tasks.length, 'task')} of ${path} ${tasks.length === 1 ? 'is' : 'are'} in ${funcsOf(tasks)}.`,
      },
      {
        topic: 'why',
        text:
          limit === 'max'
            ? prose`A page more has to be freed in the group first, and its OOM killer has ended ${plural(kills, 'process', 'processes')} so far.`
            : ['Above memory.high the kernel makes the tasks of the group wait, and kills nobody.'],
      },
      ...proofLines(evidence, 2),
      ...holders.slice(0, 3).map(({ task, pages }) => ({
        topic: 'holder' as const,
        text: prose`${taskValue(task)}: ${byteCount(pages * pageSize)} resident, swapped and in page tables${holders.length > 3 ? '' : SHARED}.`,
      })),
      ...(holders.length <= 3
        ? []
        : [
            {
              topic: 'holder' as const,
              text: prose`${plural(holders.length - 3, 'more process', 'more processes')} of the group${SHARED}.`,
            },
          ]),
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [
      {
        action: prose`Raise ${command(`memory.${limit}`)} of ${path}, or let less run in it.`,
        verify: ['the group needs so much, and nothing in it leaks.'],
        caution: ['what the machine has for others becomes less.'],
      },
    ],
    details: {
      cgroup: path,
      resource: { kind: 'address', value: group.address },
      limit,
      limitBytes: of,
      usage: byteCount(group.memory.usage),
      waiting: tasks.length,
      events: Object.fromEntries(group.events),
      holders: holders
        .slice(0, 5)
        .map(({ task, pages }) => ({ task: taskValue(task), bytes: byteCount(pages * pageSize) })),
      memory: memoryData(memory),
    },
  };
}

/** memory.max is a limit that holds; memory.high is one that slows down whoever goes beyond it. */
function titleOf({ group, limit, tasks }: Stuck, path: Value, enough: boolean): Prose {
  const most = byteCount((limit === 'max' ? group.memory.max : group.memory.high) ?? 0);
  const while_ = enough ? ', while the machine has memory' : '';
  const who = prose`${plural(tasks.length, 'task waits', 'tasks wait')}`;
  return limit === 'max'
    ? prose`${who} for memory of the cgroup ${path}, which is at its limit (memory.max) of ${most}${while_}.`
    : prose`${who} because their cgroup ${path} uses ${byteCount(group.memory.usage)}, more than the ${most} of its memory.high, and is slowed down${while_}.`;
}

/** The processes of a group and of those below it, largest first. */
function holdersOf(
  group: Memcg,
  memcgs: Memcgs,
  { killable, exempt }: OomCandidates,
): readonly { readonly task: Task; readonly pages: number }[] {
  const inside = new Set<VirtAddr>([group.address]);
  for (const { address, parent } of memcgs.groups) if (parent !== undefined && inside.has(parent)) inside.add(address);
  return [...killable, ...exempt]
    .filter(({ task }) => {
      const own = memcgs.of(task);
      return own !== undefined && inside.has(own.address);
    })
    .map(({ task, standing }) => ({ task, pages: standing.pages ?? 0 }))
    .sort((a, b) => b.pages - a.pages);
}

function funcsOf(tasks: Stuck['tasks']): Prose {
  const names = [...new Set(tasks.map(({ func }) => func))].slice(0, 3);
  return names.flatMap((func, i): Prose => (i === 0 ? [symbol(func)] : [', ', symbol(func)]));
}
