import { describe, expect, it } from 'vitest';
import { KernelImage, ref, struct } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { add } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import { frozenFileSystems } from './frozen-file-system.ts';

const GATE = 96;

/** ext4 on dm-0 and a tmpfs, each with the given state of `s_writers.frozen`. */
function machine(ext4: number, tmpfs: number): KernelImage {
  const image = new KernelImage();
  image.struct('list_head', { next: 'struct list_head *', prev: 'struct list_head *' });
  image.struct('percpu_rw_semaphore', { words: `u64[${GATE / 8}]` });
  image.struct('file_system_type', { name: 'const char *' });
  image.struct('atomic', { counter: 'int' });
  image.struct('block_device', { bd_fsfreeze_count: 'struct atomic' });
  image.struct('super_block', {
    s_list: 'struct list_head',
    s_bdev: 'void *',
    s_type: 'void *',
    s_id: 'char[32]',
    s_writers: struct({ frozen: 'int', rw_sem: 'struct percpu_rw_semaphore[3]' }),
  });
  image.place('bdev', 'struct block_device', { 'bd_fsfreeze_count.counter': 1 });
  for (const [name, frozen] of [
    ['ext4', ext4],
    ['tmpfs', tmpfs],
  ] as const) {
    image.place(`${name}_type`, 'struct file_system_type', { name });
    const on = name === 'ext4' ? { s_bdev: ref('bdev') } : {};
    image.place(name, 'struct super_block', {
      s_type: ref(`${name}_type`),
      s_id: 'dm-0',
      's_writers.frozen': frozen,
      ...on,
    });
  }
  image.global('super_blocks', 'struct list_head');
  image.list('super_blocks', ['ext4.s_list', 'tmpfs.s_list']);
  return image;
}

describe('frozen file systems', () => {
  it('are those whose freeze is complete, with their gates one behind the other', () => {
    const image = machine(4, 0);
    const first = image.address('ext4.s_writers.rw_sem');
    expect(frozenFileSystems(programOfImage(image))).toEqual([
      {
        superBlock: image.address('ext4'),
        fsType: 'ext4',
        id: 'dm-0',
        gates: [first, add(first, GATE), add(first, 2 * GATE)],
        device: image.address('bdev'),
        throughDevice: 1,
      },
    ]);
  });

  it('may lie on no device', () => {
    const [found, ...others] = frozenFileSystems(programOfImage(machine(0, 4)));
    expect(others).toEqual([]);
    expect(found).toMatchObject({ fsType: 'tmpfs', device: undefined, throughDevice: undefined });
  });

  it.each([0, 1, 2, 3])('are none while the freeze is in state %i', (state) => {
    expect(frozenFileSystems(programOfImage(machine(state, state)))).toEqual([]);
  });

  it('are left out where they cannot be read, and a broken list is said', () => {
    const nameless = machine(4, 4);
    nameless.write('ext4.s_type', 0);
    expect(frozenFileSystems(programOfImage(nameless))).toMatchObject([{ fsType: 'tmpfs' }]);
    const broken = machine(4, 4);
    broken.write('ext4.s_list.next', 0x10);
    expect(() => frozenFileSystems(programOfImage(broken))).toThrow(ValidationError);
  });
});
