/**
 * Dumps of devices that drivers leave for /proc/vmcore, fs/proc/vmcore.c (`struct vmcoredd_header`, since 4.18): notes of the
 * name LINUX and the type NT_VMCOREDD, whose descriptor begins with the dump's name in 44 bytes.
 */
import { cstring } from '../base/bytes.ts';
import type { Program } from '../program/program.ts';

const NT_VMCOREDD = 0x700;
/** VMCOREDD_MAX_NAME_BYTES. */
const NAME_BYTES = 44;

export interface DeviceDump {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Where its bytes begin in the dump file; undefined where the file does not have them as they are. */
  readonly offset: number | undefined;
}

/** All that the dump holds, `struct vmcoredd_header` in its notes. @throws nothing */
export function deviceDumps(program: Program): readonly DeviceDump[] {
  return program.dump.notes
    .filter(({ name, type, desc }) => name === 'LINUX' && type === NT_VMCOREDD && desc.length >= NAME_BYTES)
    .map(({ desc, offset }) => ({
      name: cstring(desc.subarray(0, NAME_BYTES)),
      bytes: desc.subarray(NAME_BYTES),
      offset: offset === undefined ? undefined : offset + NAME_BYTES,
    }));
}
