import { describe, expect, it } from 'vitest';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import { nanoseconds } from '../../base/units.ts';
import { starvationFact } from './starvation.ts';
import { type WaitGraph, waitGraphFact } from './wait-graph.ts';
import { leavesFact } from './wait-leaves.ts';

const PIPE = { kind: 'pipe', what: 'for the pipe' } as const;

/** Where chains end, and why, with how many are behind it. */
function ends(scene: WaitScene): {
  readonly graph: WaitGraph;
  readonly ends: readonly (readonly [string, string, number])[];
} {
  const context = scene.context();
  const graph = context.use(waitGraphFact);
  const leaves = context.use(leavesFact);
  const all = graph.roots.map(
    (root) => [root.task?.comm ?? root.target?.ctype ?? 'circle', leaves.of(root).kind, root.behind.length] as const,
  );
  return { graph, ends: all };
}

describe('the end of a chain', () => {
  it('is who alone could end the wait', () => {
    const scene = new WaitScene();
    const server = scene.task('server', { state: 'S' });
    scene.waits(scene.task('client', { state: 'S' }), PIPE, 'struct pipe_inode_info', [server]);
    expect(ends(scene).ends).toEqual([['server', 'sleeping', 1]]);
  });

  it('is the wait itself where each of several could end it: a circle through one of them is none', () => {
    const scene = new WaitScene();
    const client = scene.task('client', { state: 'S' });
    const first = scene.task('server', { state: 'S' });
    const second = scene.task('server', { state: 'R' });
    scene.waits(client, PIPE, 'struct pipe_inode_info', [first, second]);
    scene.waits(first, PIPE, 'struct pipe_inode_info', [client]);
    const { graph, ends: found } = ends(scene);
    expect(found).toEqual([['struct pipe_inode_info', 'one of several', 2]]);
    expect(graph.roots.every(({ cycle }) => cycle.length === 0)).toBe(true);
  });

  it('is a circle where each has only the next', () => {
    const scene = new WaitScene();
    const asker = scene.task('asker', { state: 'S' });
    const answerer = scene.task('answerer');
    const lock = scene.lock('mutex', 'bridge_lock', asker);
    lock.waiters.push(answerer);
    scene.queue(lock, 'lvs', 3);
    scene.waits(asker, PIPE, 'struct pipe_inode_info', [answerer]);
    scene.waits(scene.task('sudo', { state: 'S' }), { kind: 'socket', what: 'for the socket' }, 'struct socket', [
      answerer,
    ]);
    expect(ends(scene).ends).toEqual([['circle', 'circle', 4]]);
  });

  it('is the real-time task that has the CPU, for those that are kept from it and who waits for these', () => {
    const scene = new WaitScene();
    const by = scene.task('jackd', { state: 'R', running: 1 });
    const worker = scene.task('kworker/1:0', { state: 'R', runs: 'drain' });
    scene.flushes(scene.task('tuned'), worker);
    scene.set(starvationFact, [
      {
        cpu: 1,
        rq: scene.address(),
        by,
        class: { policy: 'FIFO', priority: 50 },
        throttling: { runtimeUs: -1, fairServer: undefined },
        starved: [{ task: worker, queued: nanoseconds(9_000_000_000n) }],
        sure: true,
      },
    ]);
    expect(ends(scene).ends).toEqual([['jackd', 'running', 2]]);
  });

  it('is what has come already, where those who waited for it sleep on', () => {
    const scene = new WaitScene();
    scene.waits(
      scene.task('ipmitool'),
      { kind: 'completion', what: 'for a completion', over: true },
      'struct completion',
      [],
    );
    expect(ends(scene).ends).toEqual([['struct completion', 'lost wake-up', 1]]);
  });
});
