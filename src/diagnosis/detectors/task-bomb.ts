/**
 * One process has started so many others, or threads, that their stacks and descriptors alone are a good part of memory:
 * a fork or thread bomb, wanted or not. Many tasks of many origins, and few tasks that hold much, are no such finding.
 */
import { memoryShort } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { byteCount, name, plural, prose, ratio, task as taskValue } from '../../model/value.ts';
import { memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { type TaskOrigin, type TaskOrigins, taskOriginsFact } from '../facts/task-origins.ts';
import { TASKS_CAUSE, TASKS_LEAST, TASKS_SHARE } from '../facts/thresholds.ts';
import { weigh } from '../facts/tightness.ts';
import { proofLines } from '../facts/proof.ts';

export default defineDetector({
  id: 'task-bomb',
  title: 'Tasks without end from one origin',
  summary:
    'Each task takes a kernel stack, a descriptor and page tables, which no RSS shows: thousands fill a machine.',
  needs: { origins: taskOriginsFact, memory: memoryFact },
  appliesTo: (program) =>
    program.tryField('struct task_struct', 'tgid') !== undefined ? true : 'the type of tasks is not known',
  run({ origins, memory }) {
    const total = memory.info.memTotal.value;
    const { most, users } = origins;
    // Most tasks of programs, and much of memory.
    if (most === undefined || total === undefined || most.tasks < TASKS_LEAST) return [];
    if (most.tasks * 2 < users || most.base < total * TASKS_SHARE) return [];
    return [findingOf(most, origins, total, memory)];
  },
});

function findingOf(most: TaskOrigin, { users, whole }: TaskOrigins, total: number, memory: MemoryState): Finding {
  const { origin, kind } = most;
  const bytes = most.base + most.pageTables;
  const held = prose`at least ${byteCount(bytes)} (${ratio(bytes / total)} of memory)`;
  const what = kind === 'threads' ? plural(most.tasks, 'thread') : plural(most.tasks, 'process', 'processes');
  const who = taskValue(origin);
  const weighed = weigh(memory, whole ? 'probable' : 'possible', [
    whole
      ? 'who started them and what they take is read; that they are not wanted is inferred'
      : 'not all tasks could be read',
  ]);
  const evidence: readonly Evidence[] = [
    {
      claim: prose`${what} ${kind === 'threads' ? 'belong to' : 'come from'} ${who}.`,
      address: origin.address,
      ctype: 'struct task_struct',
      confidence: 'certain',
      show: kind === 'threads' ? `ps -g ${origin.pid}` : `ps -c ${origin.pid}`,
    },
  ];
  return {
    detector: 'task-bomb',
    cause: 'task-bomb',
    ...weighed,
    ...(bytes >= total * TASKS_CAUSE ? { role: 'cause' as const } : {}),
    title:
      kind === 'threads'
        ? prose`${who} has ${what}: their stacks, descriptors and page tables take ${held}.`
        : prose`${who} has started ${what} that have not ended: their stacks, descriptors and page tables take ${held}.`,
    weight: most.tasks,
    explains: [memoryShort],
    story: [
      {
        topic: 'what',
        text: prose`${what}, mostly named ${name(most.comm)}, of ${plural(users, 'task')} of programs in all: ${byteCount(most.base)} of kernel stacks and descriptors, ${byteCount(most.pageTables)} of page tables.`,
      },
      { topic: 'why', text: ['What a task takes of the kernel is in no RSS, so none of them looks large.'] },
      { topic: 'holder', text: prose`${who} ${kind === 'threads' ? 'has them' : 'started them'}.` },
      ...proofLines(evidence, 1),
      {
        topic: 'clears',
        text: ['Hardly: the OOM killer ends one process at a time, and each gives back little.'],
      },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [
      {
        action: prose`End ${who}${kind === 'threads' ? '' : ' first, and then those that it started'}; limit what it may start: pids.max of its cgroup, or ulimit -u.`,
        verify: ['they are not wanted.'],
        caution: ['what waits for them fails.'],
      },
    ],
    details: {
      culprit: who,
      kind,
      tasks: most.tasks,
      tasksOfPrograms: users,
      comm: name(most.comm),
      base: byteCount(most.base),
      pageTables: byteCount(most.pageTables),
      share: ratio(bytes / total),
      complete: whole,
      memory: memory.verdict,
    },
  };
}
