/**
 * The kernel's own configuration, which CONFIG_IKCONFIG puts into it compressed (`kernel_config_data`, kernel/configs.c):
 * what /proc/config.gz gives. Debian's kernels are made without it.
 */
import { gunzipSync } from 'node:zlib';
import { add, distance, type VirtAddr } from '../base/address.ts';
import { FormatError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

/** Compressed ones have some 60 KiB. */
const MAX_COMPRESSED = 1 << 20;
const MAX_TEXT = 1 << 23;
const BEGIN = 'IKCFG_ST';
const END = 'IKCFG_ED';

/**
 * The text of `char kernel_config_data[]`.
 * @returns undefined when the kernel carries none
 * @throws FaultError, FormatError when what is there is no whole gzip
 */
export function kernelConfig(program: Program): string | undefined {
  const start = program.trySymbol('kernel_config_data')?.address;
  if (start === undefined) return undefined;
  // Since 5.1 (commit 13610aa908dc) the marks stand outside of the two symbols, before inside of one.
  const end = program.trySymbol('kernel_config_data_end')?.address;
  const packed =
    end === undefined
      ? untilMark(program, start)
      : program.memory.readBytes(start, Math.max(0, Math.min(distance(end, start), MAX_COMPRESSED)));
  try {
    return gunzipSync(packed, { maxOutputLength: MAX_TEXT }).toString('latin1');
  } catch (error) {
    throw new FormatError('kernel_config_data', 'is no whole gzip', undefined, { cause: error });
  }
}

/** @param start - of the mark in front */
function untilMark(program: Program, start: VirtAddr): Buffer {
  const head = Buffer.from(program.memory.readBytes(start, BEGIN.length)).toString('latin1');
  if (head !== BEGIN) throw new FormatError('kernel_config_data', `does not begin with ${BEGIN}`);
  const parts: Buffer[] = [];
  const step = 4096;
  for (let at = BEGIN.length; at < MAX_COMPRESSED; at += step) {
    parts.push(Buffer.from(program.memory.readBytes(add(start, at), step)));
    const all = Buffer.concat(parts);
    const found = all.indexOf(END, Math.max(0, all.length - step - END.length));
    if (found >= 0) return all.subarray(0, found);
  }
  throw new FormatError('kernel_config_data', 'does not end');
}
