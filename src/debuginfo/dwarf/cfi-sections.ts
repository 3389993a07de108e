/** The call frame information of a file: .debug_frame, else .eh_frame, which kernels of x86-64 do without. */
import type { DebugSections } from '../relocated-image.ts';
import { readCfi } from './cfi-records.ts';
import { CfiTable } from './cfi.ts';

/** Undefined when there is none. @throws FormatError */
export function openCfi(image: DebugSections): CfiTable | undefined {
  for (const name of ['.debug_frame', '.eh_frame'] as const) {
    const bytes = image.read(name);
    if (bytes === undefined || bytes.length === 0) continue;
    const table = new CfiTable(readCfi(bytes, name, image.section(name)?.address), name);
    if (table.count > 0) return table;
  }
  return undefined;
}
