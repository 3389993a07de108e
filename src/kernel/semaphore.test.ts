import { describe, expect, it } from 'vitest';
import { KernelImage, ref, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { add, virt } from '../base/address.ts';
import { FaultError, LookupError } from '../base/errors.ts';
import { semaphoreState } from './semaphore.ts';

function imageOf(members: { readonly [name: string]: string }, value: { readonly [path: string]: Value }): KernelImage {
  const image = new KernelImage();
  image.struct('task_struct', { pid: 'int', comm: 'char[60]' });
  image.struct('semaphore', members);
  image.place('holder', 'struct task_struct');
  image.place('s', 'struct semaphore', value);
  return image;
}

const TODAY = { lock: 'raw_spinlock_t', count: 'unsigned int', first_waiter: 'void *', last_holder: 'unsigned long' };

describe('semaphoreState', () => {
  it('counts, and names who took it last where the kernel keeps that', () => {
    const image = imageOf(TODAY, { count: 0, last_holder: ref('holder') });
    const program = programOfImage(image);
    expect(semaphoreState(program, image.address('s'))).toEqual({ count: 0, lastHolder: image.address('holder') });
    expect(program.layouts.all.map(({ part }) => part)).toEqual(['struct semaphore']);
  });

  it.each([0, 0x1234, 0xffff888000000001n])('names nobody for %s', (last_holder) => {
    const image = imageOf(TODAY, { count: 2, last_holder });
    expect(semaphoreState(programOfImage(image), image.address('s'))).toEqual({ count: 2, lastHolder: undefined });
  });

  it('names nobody where the kernel does not keep it', () => {
    const image = imageOf(
      { lock: 'raw_spinlock_t', count: 'unsigned int', wait_list: 'struct list_head' },
      { count: 1 },
    );
    const program = programOfImage(image);
    expect(semaphoreState(program, image.address('s'))).toEqual({ count: 1, lastHolder: undefined });
    expect(program.layouts.all).toEqual([]);
  });

  it('cannot be read where there is none', () => {
    const image = imageOf(TODAY, {});
    const program = programOfImage(image);
    expect(() => semaphoreState(program, add(image.address('s'), 0x10000000000n))).toThrow(FaultError);
    const other = new KernelImage();
    expect(() => semaphoreState(programOfImage(other), virt(0n))).toThrow(LookupError);
  });
});
