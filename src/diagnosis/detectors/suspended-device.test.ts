import { describe, expect, it } from 'vitest';
import { actionsOf, storyOf, textOf } from '../../../test/builders/text.ts';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import type { SuspendedDevice } from '../facts/wait-obstacles.ts';
import suspendedDevice from './suspended-device.ts';

/** The journal's thread waits for a block of the device, others for the journal or for a lock of one that does. */
function scene(seconds: number, certainty: 'exact' | 'inferred' = 'exact', whole = true): WaitScene {
  const built = new WaitScene();
  const device: SuspendedDevice = {
    device: {
      address: built.address(),
      disk: built.address(),
      diskName: 'dm-0',
      name: 'vg0-data',
      suspended: true,
      blocks: true,
    },
    kept: { count: 3, users: new Set(), pages: [], whole },
    superBlocks: [built.address()],
    directories: ['/srv'],
  };
  built.obstacles({ devices: [device] });
  const journal = built.task('jbd2/dm-0-8', { kthread: true, offCpu: seconds });
  built.blocked(journal, { obstacle: { kind: 'device', device }, certainty });
  built.blocked(built.task('tar', { offCpu: seconds }), { obstacle: { kind: 'device', device }, certainty: 'exact' });
  const creator = built.task('postfix', { offCpu: seconds });
  built.flushes(creator, journal);
  built.queue(built.lock('rw_semaphore', 'i_rwsem', creator), 'postfix', 5, { offCpu: seconds });
  return built;
}

describe('suspended-device', () => {
  it('blames the device, not the journal or the lock in the middle', () => {
    const [finding, ...others] = scene(6).findings(suspendedDevice);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ cause: 'device-suspended', role: 'cause', confidence: 'probable', weight: 8 });
    expect(textOf(finding?.title)).toBe(
      '8 tasks wait, directly or not, for the device vg0-data (dm-0), which is suspended.',
    );
    expect(storyOf(finding, 'why')).toMatch(/^2 tasks wait for pages, blocks .* keeps 3 block I\/Os/);
    expect(storyOf(finding, 'why')).toContain('The other 6 wait for these tasks.');
    expect(storyOf(finding, 'proof')).toMatch(/^Its flags have DMF_SUSPENDED and .* 2 tasks wait for .* the 3 I\/Os/);
    expect(storyOf(finding, 'remedy')).toContain('First make sure that nobody is about to give it another table');
    expect(storyOf(finding, 'waiters')).toMatch(/5 wait for i_rwsem: postfix \(pid 102\) has it/);
    expect(actionsOf(finding)[0]).toContain('dmsetup resume vg0-data');
  });

  it('is certain by age only when every wait is among what the device keeps', () => {
    expect(scene(200).findings(suspendedDevice)).toMatchObject([{ confidence: 'certain' }]);
    expect(scene(200, 'inferred').findings(suspendedDevice)).toMatchObject([{ confidence: 'probable' }]);
  });

  it('says so when the list of what it keeps is damaged', () => {
    const [finding] = scene(6, 'exact', false).findings(suspendedDevice);
    expect(textOf(finding?.evidence[1]?.claim)).toContain('could not be read to its end');
    expect(finding?.details['keptBios']).toBeUndefined();
  });

  it('says nothing of a suspension that has just begun', () => {
    expect(scene(1).findings(suspendedDevice)).toEqual([]);
  });
});
