import { describe, expect, it } from 'vitest';
import { KernelImage } from '../../../test/builders/image.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import { add } from '../../base/address.ts';
import { type Thawing, thawingFact } from './thawing.ts';
import type { FrozenMount } from './wait-obstacles.ts';

const UMOUNT = 112;

/** A writer stands at the gate; `fsfreeze` wants `s_umount`, which the writer has or somebody else. */
function thawing(
  funcs: readonly string[],
  writerHasIt: boolean,
  offset = UMOUNT,
): { readonly found: Thawing; readonly pids: readonly number[] } {
  const image = new KernelImage();
  image.struct('rw_semaphore', { words: 'u64[5]' });
  image.struct('super_block', { words: `u64[${UMOUNT / 8}]`, s_umount: 'struct rw_semaphore' });
  const scene = new WaitScene();
  const superBlock = scene.address();
  const none = {
    fsType: 'ext4',
    id: 'ram0',
    gates: [],
    device: undefined,
    throughDevice: 0,
    directories: [],
    on: undefined,
  };
  const fileSystem: FrozenMount = { superBlock, ...none };
  const writer = scene.task('sync');
  scene.blocked(writer, { obstacle: { kind: 'file-system', fileSystem }, certainty: 'exact' });
  const holder = writerHasIt ? writer : scene.task('umount', { state: 'S' });
  scene.queue(scene.lock('rw_semaphore', 's_umount', holder, add(superBlock, offset)), 'fsfreeze', 1, { funcs });
  const found = scene.context(programOfImage(image)).use(thawingFact).of(fileSystem);
  return { found, pids: found.tasks.map(({ pid }) => pid) };
}

const STACK = ['__schedule', 'schedule', 'rwsem_down_write_slowpath', 'down_write', 'thaw_super', 'do_vfs_ioctl'];

describe('thawing', () => {
  it('is stuck when who has s_umount waits for the thaw', () => {
    expect(thawing(STACK, true)).toMatchObject({ found: { stuck: true }, pids: [101] });
  });

  it('goes on when somebody else has it', () => {
    expect(thawing(STACK, false)).toMatchObject({ found: { stuck: false }, pids: [102] });
  });

  it('is not what others want s_umount for, and another file system is none of it', () => {
    expect(thawing(['__schedule', 'schedule', 'down_write', 'deactivate_super'], true).pids).toEqual([]);
    expect(thawing(STACK, true, UMOUNT + 8).pids).toEqual([]);
  });
});
