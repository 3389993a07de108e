/**
 * Debug information of modules: their own files beside the vmlinux or where distributions put them. A file is that of the
 * loaded module when its symbols lie in it as they lie in memory, section by section; where a section lies follows from
 * that. Read on first use, a module at a time.
 */
import { readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { attempt, KwhyError } from '../base/errors.ts';
import { openCfi } from '../debuginfo/dwarf/cfi-sections.ts';
import type { CfiTable } from '../debuginfo/dwarf/cfi.ts';
import { DwarfLines } from '../debuginfo/dwarf/dwarf-lines.ts';
import { DwarfTypes } from '../debuginfo/dwarf/dwarf-types.ts';
import { DwarfVariables } from '../debuginfo/dwarf/dwarf-variables.ts';
import { ElfImage } from '../debuginfo/elf-image.ts';
import { RelocatedImage } from '../debuginfo/relocated-image.ts';
import { imageFile } from './debug-file.ts';
import type { KernelModule } from './modules.ts';

/** A loaded module as far as its file is compared with it. */
type Loaded = Pick<KernelModule, 'name' | 'symbols'>;

/** Files in all folders of modules; distributions have some ten thousand. */
const MAX_FILES = 200_000;
/** Symbols that have to agree before a file is believed. */
const ENOUGH = 3;

export interface OpenModule {
  readonly types: DwarfTypes;
  readonly lines: DwarfLines;
  readonly variables: DwarfVariables;
  readonly cfi: CfiTable | undefined;
  close(): void;
}

export class ModuleDebug {
  readonly #vmlinux: string | undefined;
  readonly #release: string | undefined;
  readonly #given: readonly string[];
  readonly #open = new Map<string, OpenModule | undefined>();
  readonly #problems: string[] = [];
  #files: ReadonlyMap<string, readonly string[]> | undefined;

  /**
   * @param vmlinux - path of the kernel's own file, where one was given
   * @param release - `uname -r`
   * @param given - files of modules that the user names; they come first
   */
  constructor(vmlinux: string | undefined, release: string | undefined, given: readonly string[] = []) {
    this.#vmlinux = vmlinux === undefined ? undefined : resolve(vmlinux);
    this.#release = release !== undefined && /^\w[\w.+~-]{0,63}$/.test(release) ? release : undefined;
    this.#given = given;
  }

  /** Why files that bear a module's name are not used. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** Undefined when there is no file of this very module. */
  of(module: Loaded): OpenModule | undefined {
    if (!this.#open.has(module.name)) this.#open.set(module.name, this.#find(module));
    return this.#open.get(module.name);
  }

  close(): void {
    for (const open of this.#open.values()) open?.close();
    this.#open.clear();
  }

  #find(module: Loaded): OpenModule | undefined {
    this.#files ??= filesByModule([...this.#given, ...this.#folders().flatMap(filesBelow)]);
    for (const path of this.#files.get(module.name) ?? []) {
      const open = this.#tried(path, module);
      if (open !== undefined) return open;
    }
    return undefined;
  }

  #folders(): readonly string[] {
    const release = this.#release;
    if (release === undefined || this.#vmlinux === undefined) return [];
    const folder = dirname(this.#vmlinux);
    const folders = [
      // .../usr/lib/debug/boot/vmlinux-RELEASE, and .../lib/modules/RELEASE/vmlinux.
      join(folder, '../lib/modules', release),
      ...(basename(folder) === release ? [folder] : []),
      join('/usr/lib/debug/lib/modules', release),
      join('/usr/lib/debug/usr/lib/modules', release),
    ];
    return [...new Set(folders)];
  }

  #tried(path: string, module: Loaded): OpenModule | undefined {
    let close = (): void => {};
    try {
      const file = imageFile(path);
      close = () => {
        file.close();
      };
      const image = new ElfImage(file, basename(path));
      if (image.section('.debug_info') === undefined) {
        close();
        return undefined;
      }
      const bases = sectionBases(image, module);
      if (bases === undefined) {
        this.#problems.push(`${path}: its symbols do not lie as those of the module ${module.name} in the dump`);
        close();
        return undefined;
      }
      const relocated = new RelocatedImage(image, bases);
      const types = new DwarfTypes(relocated);
      const cfi = attempt(() => openCfi(relocated));
      const lines = new DwarfLines(types.info);
      return { types, lines, variables: new DwarfVariables(types, lines), cfi, close };
    } catch (error) {
      close();
      if (!(error instanceof KwhyError) && !(error instanceof Error && 'syscall' in error)) throw error;
      this.#problems.push(`${path}: ${error.message}`);
      return undefined;
    }
  }
}

/** Where each section lies; undefined when symbols contradict each other, or too few are known. */
function sectionBases(image: ElfImage, module: Loaded): ReadonlyMap<number, bigint> | undefined {
  const inMemory = addressesOnce(module);
  const inFile = new Map<string, { readonly section: number; readonly value: bigint } | undefined>();
  for (const { name, section, value } of image.symbols()?.places() ?? [])
    inFile.set(name, inFile.has(name) ? undefined : { section, value });
  const bases = new Map<number, bigint>();
  let agree = 0;
  for (const [name, place] of inFile) {
    const address = place === undefined ? undefined : inMemory.get(name);
    if (place === undefined || address === undefined) continue;
    const base = address - place.value;
    const known = bases.get(place.section);
    if (known !== undefined && known !== base) return undefined;
    bases.set(place.section, base);
    agree++;
  }
  if (agree < ENOUGH) return undefined;
  // Offsets between sections of debug information count from the beginning of each.
  image.sections.forEach(({ name }, number) => {
    if (name.startsWith('.debug_')) bases.set(number, 0n);
  });
  return bases;
}

/** Symbols whose name only one has. */
function addressesOnce(module: Loaded): ReadonlyMap<string, bigint> {
  const addresses = new Map<string, bigint>();
  const twice = new Set<string>();
  for (const { name, address } of module.symbols?.entries() ?? []) {
    if (addresses.has(name)) twice.add(name);
    addresses.set(name, address);
  }
  for (const name of twice) addresses.delete(name);
  return addresses;
}

/** As the kernel spells a module's name: snd-hda-intel.ko is snd_hda_intel. */
export function moduleNameOf(path: string): string | undefined {
  return /^(.+)\.ko(?:\.debug)?(?:\.(?:xz|zst|gz))?$/.exec(basename(path))?.[1]?.replaceAll('-', '_');
}

function filesByModule(paths: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const files = new Map<string, string[]>();
  for (const path of paths) {
    const name = moduleNameOf(path);
    if (name === undefined) continue;
    const same = files.get(name) ?? [];
    files.set(name, same);
    same.push(path);
  }
  return files;
}

/** All files in a folder and below; none when there is no such folder. */
function filesBelow(folder: string): readonly string[] {
  try {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    return names.slice(0, MAX_FILES).map((name) => join(folder, name));
  } catch {
    return [];
  }
}
