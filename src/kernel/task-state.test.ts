import { describe, expect, it } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { decodeState, stateOf, type TaskState } from './task-state.ts';

const now = (raw: number, exit = 0): TaskState => decodeState(BigInt(raw), BigInt(exit), '4.14');
const before = (raw: number, exit = 0): TaskState => decodeState(BigInt(raw), BigInt(exit), '3.15');

/** Letter, and which of uninterruptible, killable and sleeping hold. */
const brief = (state: TaskState): string =>
  `${state.letter} ${state.uninterruptible ? 'u' : '-'}${state.killable ? 'k' : '-'}${state.sleeping ? 's' : '-'}`;

describe('states since 4.14', () => {
  it.each([
    ['running', 0, 0, 'R ---'],
    ['interruptible', 1, 0, 'S -ks'],
    ['uninterruptible', 2, 0, 'D u-s'],
    ['killable', 0x102, 0, 'D uks'],
    ['idle', 0x402, 0, 'I --s'],
    ['idle and freezable', 0x2402, 0, 'I --s'],
    ['stopped', 4, 0, 'T ---'],
    ['stopped, as set', 0x104, 0, 'T ---'],
    ['traced', 8, 0, 't ---'],
    ['dead', 0x80, 0x10, 'X ---'],
    ['zombie', 0x80, 0x20, 'Z ---'],
    ['parked', 0x40, 0, 'P ---'],
    ['waking', 0x200, 0, 'R ---'],
    ['new', 0x800, 0, 'R ---'],
    ['interruptible and freezable', 0x2001, 0, 'S -ks'],
    ['waiting for a sleeping spinlock', 0x1000, 0, 'D u-s'],
    ['frozen', 0x8000, 0, 'D --s'],
    ['a zombie whose state was not cleared', 0x402, 0x20, 'Z --s'],
  ] as const)('%s', (_name, raw, exit, expected) => {
    expect(brief(now(raw, exit))).toBe(expected);
  });

  it('keep the words they came from', () => {
    expect(now(0x102, 0)).toMatchObject({ raw: 0x102n, exitState: 0n });
    expect(now(0x80, 0x20)).toMatchObject({ raw: 0x80n, exitState: 0x20n });
  });
});

describe('states before 4.14', () => {
  it.each([
    ['running', 0, 0, 'R ---'],
    ['interruptible', 1, 0, 'S -ks'],
    ['uninterruptible', 2, 0, 'D u-s'],
    ['killable', 0x82, 0, 'D uks'],
    ['idle', 0x402, 0, 'I --s'],
    ['zombie', 0x40, 0x20, 'Z ---'],
    ['dead', 0x40, 0x10, 'X ---'],
    // 0x100 is TASK_WAKING here, and 0x1000 and 0x8000 are nothing.
    ['woken', 0x100, 0, 'R ---'],
    ['uninterruptible, while woken', 0x102, 0, 'D u-s'],
    ['unknown bits', 0x9000, 0, 'R ---'],
  ] as const)('%s', (_name, raw, exit, expected) => {
    expect(brief(before(raw, exit))).toBe(expected);
  });
});

describe('states before 3.15', () => {
  it('have the zombie where later the dead are', () => {
    expect(brief(decodeState(0x40n, 0x10n, '2.6'))).toBe('Z ---');
    expect(brief(decodeState(0x40n, 0x20n, '2.6'))).toBe('X ---');
    expect(brief(decodeState(0x82n, 0n, '2.6'))).toBe('D uks');
  });
});

describe('stateOf', () => {
  function imageOf(member: string, type: string, raw: number, renumbered: boolean): KernelImage {
    const image = new KernelImage();
    if (renumbered) image.struct('rb_root_cached', { rb_leftmost: 'void *' });
    image.struct('task_struct', { [member]: type, exit_state: 'int' });
    image.place('task', 'struct task_struct', { [member]: raw });
    return image;
  }

  it('reads the member that the kernel has, with the numbering of its time', () => {
    for (const [member, type, renumbered, killable] of [
      ['__state', 'unsigned int', true, 0x102],
      ['state', 'volatile long', true, 0x102],
      ['state', 'volatile long', false, 0x82],
    ] as const) {
      const image = imageOf(member, type, killable, renumbered);
      const state = stateOf(programOfImage(image), image.address('task'));
      expect(brief(state)).toBe('D uks');
    }
  });

  it('knows the kernels before 3.15 by the cache of an address space', () => {
    for (const [member, letter] of [
      ['mmap_cache', 'Z'],
      ['mmap_base', 'X'],
    ] as const) {
      const image = imageOf('state', 'volatile long', 0x40, false);
      image.struct('mm_struct', { [member]: 'void *' });
      image.write('task.exit_state', 0x10);
      expect(stateOf(programOfImage(image), image.address('task')).letter).toBe(letter);
    }
  });

  it('takes a state of -1, which was an error until 5.14, as its bits', () => {
    const image = imageOf('state', 'volatile long', -1, true);
    const state = stateOf(programOfImage(image), image.address('task'));
    expect(state.raw).toBe(0xffffffffffffffffn);
  });
});
