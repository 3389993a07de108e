import { describe, expect, it } from 'vitest';
import { textOf } from '../../test/builders/text.ts';
import { WaitScene } from '../../test/builders/wait-scene.ts';
import type { FrozenMount, SuspendedDevice } from '../diagnosis/facts/wait-obstacles.ts';
import { dotLines, rootLines, waitView } from './wait-views.ts';

function linesOf(scene: WaitScene): readonly string[] {
  const view = waitView(scene.context());
  return view.graph.roots.flatMap((root, i) => rootLines(view, root, i + 1).map((line) => textOf(line)));
}

describe('the end of a chain', () => {
  it('may be a frozen file system: its gates are one end, with the locks of those who stand there behind', () => {
    const scene = new WaitScene();
    const fileSystem: FrozenMount = {
      superBlock: scene.address(),
      fsType: 'ext4',
      id: 'ram0',
      gates: [scene.address(), scene.address(), scene.address()],
      device: undefined,
      throughDevice: undefined,
      directories: ['/srv'],
      on: undefined,
    };
    const obstacle = { kind: 'file-system', fileSystem } as const;
    const writer = scene.task('postgres');
    const another = scene.task('nginx');
    const [first, second] = fileSystem.gates;
    scene.lock('percpu_rw_semaphore', 'gate 0', undefined, first).waiters.push(another);
    scene.lock('percpu_rw_semaphore', 'gate 1', undefined, second).waiters.push(writer);
    for (const task of [writer, another]) scene.blocked(task, { obstacle, certainty: 'exact' });
    scene.queue(scene.lock('rw_semaphore', 'mmap_lock', writer), 'ps', 3);
    const [headline, behind, who, ...tree] = linesOf(scene);
    expect(headline).toBe(
      '1. Tasks wait for the file system /srv (ext4 on ram0), which is frozen: whoever writes to it waits until somebody thaws it',
    );
    expect(behind?.trim()).toBe('5 tasks in its queue and behind it');
    expect(who?.trim()).toMatch(/^no task has it \(struct super_block at /);
    expect(tree.join('\n')).toMatch(/nginx \(pid 101\).*\n.*postgres \(pid 100\).*\n.*3 wait for mmap_lock .*\n.*3 ps/);
  });

  it('may be a suspended device, with what it keeps', () => {
    const scene = new WaitScene();
    const device: SuspendedDevice = {
      device: {
        address: scene.address(),
        disk: scene.address(),
        diskName: 'dm-0',
        name: 'vg0-data',
        suspended: true,
        blocks: true,
      },
      kept: { count: 1, users: new Set(), pages: [], whole: false },
      superBlocks: [],
      directories: [],
    };
    scene.blocked(scene.task('tar'), { obstacle: { kind: 'device', device }, certainty: 'exact' });
    expect(linesOf(scene)[0]).toBe(
      '1. Tasks wait for the device vg0-data (dm-0), which is suspended: it keeps at least 1 block I/O, and nothing goes on before somebody resumes it',
    );
    const drawing = [...dotLines(waitView(scene.context()))].join('\n');
    expect(drawing).toMatch(/"tar 100" -> "struct mapped_device 0x[0-9a-f]+"/);
  });

  it('may be a work item, that some flush and others wait for behind a lock', () => {
    const scene = new WaitScene();
    const worker = scene.task('kworker/0:1', { kthread: true, runs: 'slow_work', funcs: ['schedule', 'slow_work'] });
    const holder = scene.task('nvme');
    scene.flushes(holder, worker);
    scene.flushes(scene.task('lldpd'), worker);
    scene.queue(scene.lock('mutex', 'state_lock', holder), 'udevadm', 2);
    const lines = linesOf(scene);
    expect(lines[0]).toMatch(/^1\. kworker\/0:1 \(pid 100\) sleeps/);
    expect(lines[1]?.trim()).toBe('4 tasks behind it');
    expect(lines[2]).toMatch(/2 wait for the end of the work item slow_work \(struct work_struct at /);
  });
});
