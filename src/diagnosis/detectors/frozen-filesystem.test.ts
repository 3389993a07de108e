import { describe, expect, it } from 'vitest';
import { actionsOf, storyOf, textOf } from '../../../test/builders/text.ts';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import type { FrozenMount } from '../facts/wait-obstacles.ts';
import frozenFileSystem from './frozen-filesystem.ts';

/** Some stand at the gates of /srv, one of them with a lock that others queue for. */
function scene(seconds: number): { readonly scene: WaitScene; readonly fileSystem: FrozenMount } {
  const built = new WaitScene();
  const gates = [built.address(), built.address(), built.address()];
  const fileSystem: FrozenMount = {
    superBlock: built.address(),
    fsType: 'ext4',
    id: 'ram0',
    gates,
    device: built.address(),
    throughDevice: 0,
    directories: ['/srv'],
    on: undefined,
  };
  built.obstacles({ fileSystems: [fileSystem] });
  const blocked = { obstacle: { kind: 'file-system', fileSystem }, certainty: 'exact' } as const;
  for (let i = 0; i < 4; i++) {
    const writer = built.task('nginx', { offCpu: seconds });
    built.blocked(writer, blocked);
    if (i === 0) built.queue(built.lock('rw_semaphore', 'mmap_lock', writer), 'ps', 3, { offCpu: seconds });
  }
  return { scene: built, fileSystem };
}

describe('frozen-filesystem', () => {
  it('names the file system, and counts those behind the locks of those that stand at its gates', () => {
    const [finding, ...others] = scene(8).scene.findings(frozenFileSystem);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ cause: 'filesystem-frozen', role: 'cause', confidence: 'probable', weight: 7 });
    expect(textOf(finding?.title)).toBe(
      '7 tasks wait, directly or not, for the file system /srv (ext4 on ram0), which is frozen.',
    );
    expect(storyOf(finding, 'why')).toMatch(
      /^4 tasks wait in a write or a page fault until it is thawed; the other 3 wait for these tasks/,
    );
    expect(storyOf(finding, 'proof')).toMatch(/is SB_FREEZE_COMPLETE, and 4 tasks are in the queues/);
    expect(storyOf(finding, 'waiters')).toBe(
      '4 tasks named nginx and 3 named ps; longest: nginx (pid 100), for 8 s.\n' +
        'Of these 3 wait for mmap_lock: nginx (pid 100) has it and waits for the file system /srv (ext4 on ram0), which is frozen.',
    );
    expect(storyOf(finding, 'holder')).toContain('frozen by the ioctl FIFREEZE');
    expect(actionsOf(finding)[0]).toContain('fsfreeze --unfreeze /srv');
  });

  it('is certain once the oldest wait is beyond what the kernel calls hung', () => {
    expect(scene(200).scene.findings(frozenFileSystem)).toMatchObject([{ confidence: 'certain' }]);
  });

  it('says nothing of a freeze that has just begun, as for a snapshot, nor of one that nobody waits for', () => {
    expect(scene(0.5).scene.findings(frozenFileSystem)).toEqual([]);
    const { fileSystem } = scene(8);
    const quiet = new WaitScene();
    quiet.obstacles({ fileSystems: [fileSystem] });
    quiet.task('nginx', { offCpu: 200 });
    expect(quiet.findings(frozenFileSystem)).toEqual([]);
  });
});
