/**
 * What makedumpfile erased on purpose (`--config`, erase_info.c): text lines `erase SYMBOL[.MEMBER...] size BYTES` or
 * `... nullify`, in an ELF note 'ERASEINFO' or in an area of a kdump file (header version 5). Where it was erased, the
 * dump has 'X' in every byte, or a null pointer: both look like data.
 */
import { cstring } from '../base/bytes.ts';
import type { ElfNote } from './dump-file.ts';

const NOTE_NAME = 'ERASEINFO';
/** Names that are told; the others are counted. */
const MAX_NAMES = 5;
/** A rule for each thing to erase, and one line for each element of a list: of longer texts the beginning counts. */
export const MAX_ERASEINFO = 1 << 20;

export function eraseNote(desc: Uint8Array): ElfNote {
  return { name: NOTE_NAME, type: 0, desc };
}

/** @returns one line, or none when nothing was erased */
export function erasedProblems(notes: readonly ElfNote[]): readonly string[] {
  const names: string[] = [];
  for (const note of notes) {
    if (note.name !== NOTE_NAME) continue;
    for (const line of cstring(note.desc.subarray(0, MAX_ERASEINFO)).split('\n')) {
      const name = /^erase\s+(\S{1,200})/.exec(line)?.[1];
      if (name !== undefined) names.push(name.replace(/[^\w.[\]>-]/g, '?'));
    }
  }
  if (names.length === 0) return [];
  const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : '';
  const told = `${names.slice(0, MAX_NAMES).join(', ')}${more}`;
  return [`erased on purpose by makedumpfile, so that what stands there is not what was: ${told}`];
}
