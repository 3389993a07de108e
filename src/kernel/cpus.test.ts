import { describe, expect, it } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import { cpuLimit, cpus } from './cpus.ts';

function withMask(name: string, words: readonly bigint[], limit: number): KernelImage {
  const image = new KernelImage();
  image.global('nr_cpu_ids', 'unsigned int', limit);
  image.global(name, `unsigned long[${words.length}]`, words);
  return image;
}

describe('cpus', () => {
  it('are the bits of a mask, below nr_cpu_ids', () => {
    const image = withMask('__cpu_online_mask', [0x8000000000000005n, 0xffn], 66);
    expect(cpus(programOfImage(image), 'online')).toEqual([0, 2, 63, 64, 65]);
  });

  it('differ by what is asked for', () => {
    const image = new KernelImage();
    image.cpus(3, 2);
    const program = programOfImage(image);
    expect([cpus(program, 'online'), cpus(program, 'possible')]).toEqual([
      [0, 1],
      [0, 1, 2],
    ]);
    expect(cpuLimit(program)).toBe(3);
  });

  it('have another name before 4.5', () => {
    expect(cpus(programOfImage(withMask('cpu_present_bits', [2n], 4)), 'present')).toEqual([1]);
  });

  it('are one where the kernel has no masks', () => {
    const image = new KernelImage();
    image.symbol('init_task', 0xffffffff82000000n);
    const program = programOfImage(image);
    expect([cpus(program, 'online'), cpuLimit(program)]).toEqual([[0], 1]);
  });

  it('are not known where there is no symbol table that could have masks', () => {
    expect(() => cpus(programOfImage(new KernelImage()), 'online')).toThrow(LookupError);
  });

  it('are not more than a kernel can have', () => {
    expect(cpus(programOfImage(withMask('__cpu_online_mask', [3n], 1)), 'online')).toEqual([0]);
    for (const limit of [0, 8193, 0xffffffff]) {
      const program = programOfImage(withMask('__cpu_online_mask', [1n], limit));
      expect(() => cpus(program, 'online')).toThrow(ValidationError);
    }
  });
});
