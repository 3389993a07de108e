/** All targets, in the order in which they run. */
import type { Target } from '../target.ts';
import { bitmap } from './bitmap.ts';
import { bootstrap } from './bootstrap.ts';
import { btf, splitBtf } from './btf.ts';
import { codecs } from './codecs.ts';
import { dwarf } from './dwarf.ts';
import { elf } from './elf.ts';
import { flattened, split } from './containers.ts';
import { kallsyms } from './kallsyms.ts';
import { kdump } from './kdump.ts';
import { kernel } from './kernel.ts';
import { memoryImages } from './memory-images.ts';
import { modules } from './modules.ts';
import { notes } from './notes.ts';
import { orc } from './orc.ts';
import { pageTables } from './page-tables.ts';
import { report } from './report.ts';
import { traces } from './traces.ts';
import { vmcoreinfo } from './vmcoreinfo.ts';
import { writer } from './writer.ts';

export const targets: readonly Target[] = [
  elf,
  kdump,
  flattened,
  split,
  memoryImages,
  bitmap,
  notes,
  codecs,
  vmcoreinfo,
  modules,
  kallsyms,
  btf,
  splitBtf,
  orc,
  dwarf,
  pageTables,
  traces,
  bootstrap,
  writer,
  kernel,
  report,
];

/** @throws RangeError when there is none of that name */
export function findTarget(name: string): Target {
  const found = targets.find((target) => target.name === name);
  if (found === undefined) throw new RangeError(`no target is called '${name}'`);
  return found;
}
