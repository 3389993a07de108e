/**
 * Which version ORC tables are by what is in them, for kernels that have neither `.orc_header` nor types. Nearly all
 * entries of any kernel are calls whose frame is found from the stack pointer, so their bit fields (orc.ts) tell:
 * CALL is 0 in a type of two bits (1, 2) and 2 in one of three (3, 4); the stack pointer is register 5 until 3, and 3 in
 * 4; the bit that ends a stack is 10 in 1, and 11 in 2.
 */
import { add } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { MemoryReader } from '../base/memory.ts';
import type { OrcVersion } from './orc.ts';
import type { SymbolTable } from './symbol.ts';

const ENTRY_SIZE = 6;
/** Entries that are looked at, in blocks from all over the table. */
const BLOCKS = 64;
const BLOCK_ENTRIES = 256;
const SP = 5;
const SP_V4 = 3;
const CALL_V3 = 2;
const END_V2 = 1 << 11;

/** @returns undefined when it is none of them for sure */
export function orcVersionByLooks(memory: MemoryReader, symbols: SymbolTable): OrcVersion | undefined {
  const start = symbols.lookup('__start_orc_unwind')?.address;
  const stop = symbols.lookup('__stop_orc_unwind')?.address;
  if (start === undefined || stop === undefined || stop <= start) return undefined;
  const count = Math.floor(Number(stop - start) / ENTRY_SIZE);
  let total = 0;
  let calls = 0;
  let calls3 = 0;
  let calls4 = 0;
  let ends2 = 0;
  const blocks = Math.min(BLOCKS, Math.ceil(count / BLOCK_ENTRIES));
  for (let block = 0; block < blocks; block++) {
    const first = Math.floor((block * count) / blocks);
    const entries = Math.min(BLOCK_ENTRIES, count - first);
    const bytes = attempt(() => memory.readBytes(add(start, first * ENTRY_SIZE), entries * ENTRY_SIZE));
    if (bytes === undefined) continue;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i < entries; i++) {
      const bits = view.getUint16(i * ENTRY_SIZE + 4, true);
      const register = bits & 0xf;
      total++;
      if (register === SP && (bits & 0x300) === 0) calls++;
      if (register === SP && ((bits >> 8) & 7) === CALL_V3) calls3++;
      if (register === SP_V4 && ((bits >> 8) & 7) === CALL_V3) calls4++;
      if ((bits & END_V2) !== 0) ends2++;
    }
  }
  const most = total * 0.6;
  if (total === 0) return undefined;
  if (calls3 > most) return 3;
  if (calls4 > most) return 4;
  if (calls <= most) return undefined;
  return ends2 > 0 ? 2 : 1;
}
