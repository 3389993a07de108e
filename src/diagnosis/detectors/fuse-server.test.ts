import { describe, expect, it } from 'vitest';
import { actionsOf, storyOf, textOf } from '../../../test/builders/text.ts';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import { type Nanoseconds, nanoseconds } from '../../base/units.ts';
import type { Task } from '../../kernel/sched.ts';
import { explainedFact } from '../facts/chain-ends.ts';
import { waitGraphFact } from '../facts/wait-graph.ts';
import fuseServer from './fuse-server.ts';

const WHAT = { kind: 'fuse', what: 'for an answer of the FUSE server of', name: '/mnt' } as const;

interface Given {
  /** Seconds that clients have waited, and that the server has not run. */
  readonly client?: number;
  readonly server?: number;
  readonly detail?: string;
  readonly threads?: number;
  readonly reads?: boolean;
}

/** Some ask a server; one of them has a lock that others queue for. */
function asked(given: Given = {}): { readonly scene: WaitScene; readonly servers: readonly Task[] } {
  const scene = new WaitScene();
  const servers = Array.from({ length: given.threads ?? 1 }, () =>
    scene.task('sshfs', { state: 'S', offCpu: given.server ?? 20 }),
  );
  const [first] = servers;
  if (given.reads === true && first !== undefined)
    scene.waits(
      first,
      { kind: 'wait-queue', what: 'on a wait queue', channel: 'fuse_dev_do_read' },
      'struct fuse_iqueue',
      [],
    );
  const connection = scene.address();
  for (let i = 0; i < 3; i++) {
    const task = scene.task('ls', { state: 'S', offCpu: given.client ?? 20 });
    scene.waits(
      task,
      { ...WHAT, detail: given.detail ?? 'LOOKUP, which the server has read' },
      'struct fuse_conn',
      servers,
      connection,
    );
    if (i === 0)
      scene.queue(scene.lock('rw_semaphore', 'the i_rwsem of /mnt', task), 'cp', 4, { offCpu: given.client ?? 20 });
  }
  return { scene, servers };
}

describe('fuse-server', () => {
  it('names the server, what it was asked, and counts those behind locks that are held meanwhile', () => {
    const { scene, servers } = asked();
    const [finding, ...others] = scene.findings(fuseServer);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ cause: 'fuse-server-silent', role: 'cause', confidence: 'probable', weight: 7 });
    expect(textOf(finding?.title)).toContain('7 tasks wait for the FUSE server');
    expect(finding?.details['culprit']).toMatchObject({ pid: servers[0]?.pid });
    expect(storyOf(finding, 'what')).toContain('3 tasks have asked the server and got no answer: 3 LOOKUP');
    expect(storyOf(finding, 'what')).toContain('4 more wait behind');
    expect(actionsOf(finding)[0]).toContain('when its /dev/fuse closes, all requests end with an error');
  });

  it('explains the queue of the lock in the middle: lock-pileup leaves it out', () => {
    const { scene } = asked();
    const explained = scene.context().use(explainedFact);
    expect([...explained].map(({ comm }) => comm).sort()).toEqual(['cp', 'cp', 'cp', 'cp', 'ls', 'ls', 'ls']);
  });

  it('says nothing of a server that has just run, or was just asked', () => {
    expect(asked({ server: 0.01, client: 0.02 }).scene.findings(fuseServer)).toEqual([]);
    expect(asked({ client: 1 }).scene.findings(fuseServer)).toEqual([]);
  });

  it('says nothing of requests that may last for ever', () => {
    expect(asked({ detail: 'SETLKW, which the server has read' }).scene.findings(fuseServer)).toEqual([]);
  });

  it('only informs where a thread of the server waits for new requests, until the wait is hung', () => {
    expect(asked({ reads: true }).scene.findings(fuseServer)).toMatchObject([
      { role: 'context', confidence: 'possible' },
    ]);
    expect(asked({ reads: true, client: 200 }).scene.findings(fuseServer)).toMatchObject([
      { role: 'cause', confidence: 'possible' },
    ]);
  });

  it('of several threads none is the one to wait for: all of them are silent', () => {
    const [finding] = asked({ threads: 3 }).scene.findings(fuseServer);
    expect(finding).toMatchObject({ role: 'cause', weight: 7 });
    expect(storyOf(finding, 'why')).toContain('2 more tasks could answer and do not');
  });

  it('says so where the only thread of the server asks itself', () => {
    const { scene, servers } = asked();
    const [server] = servers;
    const { targets } = scene.context().use(waitGraphFact);
    const connection = targets.find(({ ctype }) => ctype === 'struct fuse_conn')?.address;
    if (server === undefined || connection === undefined) throw new Error('no server');
    scene.waits(
      server,
      { ...WHAT, detail: 'GETATTR, which no server has read yet' },
      'struct fuse_conn',
      [],
      connection,
    );
    const [finding] = scene.findings(fuseServer);
    expect(finding).toMatchObject({ role: 'cause', confidence: 'probable' });
    expect(textOf(finding?.title)).toContain('which asks itself and can never answer');
  });

  it('never goes on where nobody is left who could send what it waits for, but for a timer', () => {
    const clears = (left?: Nanoseconds): string => {
      const { scene, servers } = asked();
      for (const server of servers)
        scene.waits(server, { kind: 'pipe', what: 'for the pipe', hopeless: true, left }, 'struct pipe_inode_info', []);
      return storyOf(scene.findings(fuseServer)[0], 'clears');
    };
    expect(clears()).toBe('No: nobody is left who could send what it waits for; only a signal ends its sleep.');
    expect(clears(nanoseconds(5n))).toContain('what it waits for may still come');
  });

  it('is silent where the server itself waits for somebody else, who is the end', () => {
    const { scene, servers } = asked();
    const [server] = servers;
    const owner = scene.task('owner', { state: 'S' });
    if (server !== undefined)
      scene.waits(server, { kind: 'pipe', what: 'for the pipe' }, 'struct pipe_inode_info', [owner]);
    expect(scene.findings(fuseServer)).toEqual([]);
  });
});
