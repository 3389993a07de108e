import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { setFree } from '../../../test/builders/memory-counters.ts';
import { storyOf, textOf } from '../../../test/builders/text.ts';
import { virt } from '../../base/address.ts';
import { bytes } from '../../base/units.ts';
import type { Memcg } from '../../kernel/memcg.ts';
import type { Task } from '../../kernel/sched.ts';
import type { Finding } from '../../model/finding.ts';
import type { Memcgs } from '../facts/memcgs.ts';
import { memoryFact } from '../facts/memory.ts';
import { oomCandidatesFact } from '../facts/oom-candidates.ts';
import { stacksFact } from '../facts/stacks.ts';
import { tasksFact } from '../facts/tasks.ts';
import memcgLimit from './memcg-limit.ts';

const MIB = 2 ** 20;

function group(path: string, parent: Memcg | undefined, usage: number, max: number | undefined): Memcg {
  const none = { usage: bytes(0), max: undefined, high: undefined, peak: bytes(0) };
  return {
    address: virt(0xffff888000100000n + BigInt(path.length) * 4096n),
    parent: parent?.address,
    path,
    memory: { ...none, usage: bytes(usage * MIB), max: max === undefined ? undefined : bytes(max * MIB) },
    swap: none,
    events: new Map([['oom_kill', 2]]),
    oomGroup: false,
    dying: false,
  };
}

/** `waiting` java processes in /box/in are in reclaim of a cgroup; the group /box uses `usage` of its 100 MiB. */
function told(
  waiting: number,
  { usage = 99, func = 'try_to_free_mem_cgroup_pages', free = 8 * 1024, inGroup = true, high = false } = {},
): readonly Finding[] {
  const incident = new Incident();
  const stack = [func, 'try_charge_memcg', 'charge_memcg', 'handle_mm_fault', 'asm_exc_page_fault'];
  incident.tasks(waiting, 'java', (i) => ({ pid: 50 + i, state: 'D', stack }));
  incident.task('sshd', { pid: 90 });
  const program = incident.program((image) => {
    setFree(image, free * MIB);
    image.write('mm50.rss_stat.count[1]', 20_000);
  });
  const root = group('/', undefined, 4000, undefined);
  const full = group('/box', root, usage, 100);
  const box = high ? { ...full, memory: { ...full.memory, max: undefined, high: bytes(80 * MIB) } } : full;
  const inner = group('/box/in', box, 50, undefined);
  const memcgs: Memcgs = {
    groups: [root, box, inner],
    of: (task: Task) => (!inGroup ? undefined : task.comm === 'java' ? inner : root),
    full: (from) => (from === inner && usage >= 97 ? { group: box, limit: high ? 'high' : 'max' } : undefined),
  };
  const context = contextOf(program);
  return memcgLimit.detector.run(
    {
      memcgs,
      tasks: context.use(tasksFact),
      stacks: context.use(stacksFact),
      candidates: context.use(oomCandidatesFact),
      memory: context.use(memoryFact),
    },
    program,
  );
}

describe('memcg-limit', () => {
  it('speaks of tasks that wait in a full group, found by the nearest limit above them', () => {
    const [finding, ...more] = told(5);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'memcg-at-limit',
      role: 'cause',
      confidence: 'certain',
      details: {
        cgroup: { value: '/box' },
        waiting: 5,
        limit: 'max',
        holders: [{ task: { pid: 50 } }, {}, {}, {}, {}],
      },
    });
  });

  it('tells a limit that holds from one that only slows down', () => {
    expect(textOf(told(5)[0]?.title)).toMatch(/^5 tasks wait for memory .* at its limit \(memory.max\) of 104857600,/);
    expect(textOf(told(5, { high: true })[0]?.title)).toMatch(
      /^5 tasks wait because their cgroup \/box uses 103809024, more than the 83886080 of its memory.high,/,
    );
    // Those that are not named are counted.
    expect(storyOf(told(5)[0], 'holder')).toMatch(
      /\n2 more processes of the group \(shared memory counted in each\)\.$/,
    );
  });

  it('is silent where few wait, where the group is not full, or where they wait for something else', () => {
    expect(told(2)).toEqual([]);
    expect(told(5, { usage: 80 })).toEqual([]);
    expect(told(5, { func: 'do_user_addr_fault' })).toEqual([]);
  });

  it('is less sure where the machine is short itself', () => {
    expect(told(5, { free: 10 })[0]?.confidence).toBe('probable');
  });

  it('claims nothing where the group of a task is not known', () => {
    expect(told(5, { inGroup: false })).toEqual([]);
  });
});
