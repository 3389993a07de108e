import { expect, test } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { vmFlags } from './vm-flags.ts';

function withTable(): KernelImage {
  const image = new KernelImage();
  image.struct('trace_print_flags', { mask: 'unsigned long', name: 'const char *' });
  image.global('vmaflag_names', 'struct trace_print_flags[4]', [
    { mask: 0x40000000, name: 'nohugepage' },
    { mask: 1, name: 'read' },
    { mask: 0x8000, name: 'seqread' },
    { mask: 0, name: 0 },
  ]);
  return image;
}

test('the names that the kernel has itself, lowest bit first', () => {
  expect(vmFlags(programOfImage(withTable()))).toEqual({
    flags: [
      { mask: 1n, name: 'READ' },
      { mask: 0x8000n, name: 'SEQ_READ' },
      { mask: 0x40000000n, name: 'NOHUGEPAGE' },
    ],
    source: 'kernel',
  });
});

test('without them, or with damage, those that never changed', () => {
  const damaged = withTable();
  damaged.write('vmaflag_names[1].name', 0xffff888000000000n);
  for (const image of [new KernelImage(), damaged]) {
    const { flags, source } = vmFlags(programOfImage(image));
    expect(source).toBe('fixed');
    expect(flags).toContainEqual({ mask: 0x100n, name: 'GROWSDOWN' });
    // NOHUGEPAGE once, UFFD_MISSING since 4.3.
    expect(flags.some(({ mask }) => mask === 0x200n)).toBe(false);
  }
});
