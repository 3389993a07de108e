/**
 * FUSE servers at the end of chains: tasks wait for an answer, and no thread of the server that could give it has run since.
 * One that waits for somebody else itself is no end. Requests that may take for ever by their nature (a lock of a file, a
 * poll) do not count.
 */
import type { VirtAddr } from '../../base/address.ts';
import type { Nanoseconds } from '../../base/units.ts';
import { type FuseFileSystem, fuseFileSystem } from '../../kernel/fuse.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import { clockFact } from './clock.ts';
import { taskWaitsFact } from './task-waits.ts';
import { waitGraphFact, type WaitRoot, type WaitTarget } from './wait-graph.ts';

export interface UnansweredRequest {
  readonly task: Task;
  /** 'LOOKUP, which the server has read'. */
  readonly detail: string;
  readonly wait: Nanoseconds | undefined;
}

export interface SilentServer {
  /** `struct fuse_conn *`. */
  readonly connection: VirtAddr;
  readonly fileSystem: FuseFileSystem | undefined;
  readonly target: WaitTarget;
  readonly root: WaitRoot;
  /** The threads that could answer; the one that ran last is first. */
  readonly servers: readonly Task[];
  /** Oldest first. */
  readonly requests: readonly UnansweredRequest[];
  /** How long none of the threads has run; undefined when one runs or it is not known. */
  readonly still: Nanoseconds | undefined;
  /** A thread waits for new requests: the server lives, and answers this one later or never. */
  readonly reads: boolean;
  /** Its only thread waits for an answer that it would have to give itself. */
  readonly asksItself: boolean;
  /** All that wait for it, directly or not. */
  readonly behind: readonly Task[];
}

/** SETLKW waits for another process's lock, POLL for an event; both may last for days. */
const LASTS = /^(SETLKW|POLL|a request)/;

export const silentServersFact = defineFact<readonly SilentServer[]>({
  id: 'silent-servers',
  derive(context) {
    const { targets, roots } = context.use(waitGraphFact);
    return targets
      .filter(({ ctype }) => ctype === 'struct fuse_conn')
      .flatMap((target) => {
        const ends = (root: WaitRoot): boolean =>
          root.target === target || target.owners.some(({ task }) => task === root.task);
        const root = roots.find(ends);
        return root === undefined ? [] : [serverOf(context, target, root)];
      });
  },
});

function serverOf(context: FactContext, target: WaitTarget, root: WaitRoot): SilentServer {
  const clock = context.use(clockFact);
  const waits = context.use(taskWaitsFact);
  const off = (task: Task): bigint => clock.offCpu(task) ?? -1n;
  const servers = target.owners.map(({ task }) => task).sort((a, b) => Number(off(a) - off(b)));
  const times = servers.map((task) => clock.offCpu(task));
  const requests = target.waiters.flatMap((task): UnansweredRequest[] => {
    const detail = waits.of(task)?.detail ?? 'a request';
    return LASTS.test(detail) ? [] : [{ task, detail, wait: clock.offCpu(task) }];
  });
  requests.sort((a, b) => Number((b.wait ?? -1n) - (a.wait ?? -1n)));
  return {
    connection: target.address,
    fileSystem: fuseFileSystem(context.program, target.address),
    target,
    root,
    servers,
    requests,
    still: times.every((time) => time !== undefined) ? times[0] : undefined,
    reads: servers.some((task) => /^fuse_(dev_do_read|dev_read)$/.test(waits.of(task)?.channel ?? '')),
    asksItself: servers.length === 1 && servers.every((task) => waits.of(task)?.object?.address === target.address),
    behind: [...root.behind, ...root.further],
  };
}
