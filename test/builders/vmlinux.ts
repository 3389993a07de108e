/** A vmlinux with one type, of which BTF knows nothing. */
import { dwarfSections, named } from './dwarf.ts';
import { buildIdSection, elfImage } from './elf-image.ts';

/** @param buildId - hex */
export function vmlinuxWith(buildId: string, type = 'only_in_vmlinux'): Uint8Array {
  const children = [{ tag: 0x13, attributes: [named(type), [0x0b, 0x0b, 24] as const], children: [] }];
  return elfImage([
    buildIdSection(buildId),
    ...dwarfSections([{ version: 5, root: { tag: 0x11, attributes: [], children } }]),
  ]);
}
