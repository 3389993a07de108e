import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { captureProblems } from './capture-kernel.ts';

function problems(line: string, change: (image: KernelImage) => void = () => {}): readonly string[] {
  const image = new KernelImage();
  image.bytes('line', Buffer.from(`${line}\0`));
  image.global('saved_command_line', 'unsigned long', ref('line'));
  change(image);
  const program = programOfImage(image);
  return captureProblems(program.memory, program.symbols.kernel);
}

describe('captureProblems', () => {
  it('tells the kernel that writes a dump by its command line', () => {
    const said = [expect.stringContaining('the kernel that kdump booted after a crash')];
    expect(problems('console=ttyS0 irqpoll elfcorehdr=0x2f000000 nr_cpus=1')).toEqual(said);
    expect(problems('elfcorehdr=1G@0x2f000000')).toEqual(said);
  });

  it('says nothing of others, and of what cannot be read', () => {
    expect(problems('BOOT_IMAGE=/vmlinuz root=/dev/sda1 crashkernel=256M')).toEqual([]);
    expect(problems('noelfcorehdr=1 x.elfcorehdr=2')).toEqual([]);
    expect(problems(`${'x'.repeat(3000)} elfcorehdr=1`)).toEqual([]);
    expect(problems('elfcorehdr=1', (image) => image.write('saved_command_line', 0xdead000000000000n))).toEqual([]);
    const program = programOfImage(new KernelImage());
    expect(captureProblems(program.memory, program.symbols.kernel)).toEqual([]);
  });
});
