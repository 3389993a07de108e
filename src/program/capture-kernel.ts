/**
 * Whether the kernel is the one that kdump booted after a crash, to write the dump of the one that crashed: it is told by
 * `elfcorehdr=` on its command line where the memory of that one is described (Documentation/admin-guide/kdump). A
 * hypervisor, LiME or a raw file may catch a machine in that state; dumps that kdump wrote never are of it.
 */
import { attempt } from '../base/errors.ts';
import { cstring } from '../base/bytes.ts';
import type { SymbolTable } from '../debuginfo/symbol.ts';
import type { VirtualMemory } from './virtual-memory.ts';

/** Of x86. */
const COMMAND_LINE_SIZE = 2048;

/** @returns one line, or none; nothing that cannot be read makes a difference */
export function captureProblems(memory: VirtualMemory, symbols: SymbolTable): readonly string[] {
  const at = symbols.lookup('saved_command_line')?.address;
  if (at === undefined) return [];
  const line = attempt(() => cstring(memory.readCString(memory.readPointer(at), COMMAND_LINE_SIZE)));
  if (line === undefined || !/(?:^|\s)elfcorehdr=/.test(line)) return [];
  return [
    'this is the kernel that kdump booted after a crash (elfcorehdr= on its command line), not the one that crashed: ' +
      'what that one was doing is in the dump that was being written',
  ];
}
