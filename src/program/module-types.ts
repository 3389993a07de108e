/** Types of a module's file (NAME.ko, NAME.ko.debug) that no dump has loaded: to be packed with those of its kernel. */
import { basename } from 'node:path';
import { FormatError, UsageError } from '../base/errors.ts';
import { DwarfTypes } from '../debuginfo/dwarf/dwarf-types.ts';
import { ElfImage } from '../debuginfo/elf-image.ts';
import { RelocatedImage } from '../debuginfo/relocated-image.ts';
import { imageFile } from './debug-file.ts';

const ET_REL = 1;

export interface ModuleTypes {
  readonly types: DwarfTypes;
  close(): void;
}

/** @throws UsageError when it is no module with debug information */
export function openModuleTypes(path: string): ModuleTypes {
  const file = imageFile(path);
  const name = path.replace(/\p{Cc}/gu, '?');
  try {
    const image = new ElfImage(file, basename(name));
    if (image.type !== ET_REL) throw new UsageError(`${name}: it is no module`);
    // Offsets between sections of debug information count from the beginning of each.
    const bases = new Map(
      image.sections.flatMap((section, number) => (section.name.startsWith('.debug_') ? [[number, 0n] as const] : [])),
    );
    const types = new DwarfTypes(new RelocatedImage(image, bases));
    return {
      types,
      close: () => {
        file.close();
      },
    };
  } catch (error) {
    file.close();
    if (error instanceof FormatError) throw new UsageError(`${name}: ${error.detail}`, { cause: error });
    throw error;
  }
}
