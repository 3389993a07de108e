/**
 * A dump that drgn opens. QEMU writes kdump-compressed files with nothing but the machine in the header's utsname, and
 * libkdumpfile 0.5.6 takes an utsname without release and version for none at all: it then knows no architecture, and drgn
 * refuses the file. The twin is a copy with these three strings; its pages are the dump's.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  chmodSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { HEADER, KDUMP_SIGNATURE, UTSNAME_FIELD } from '../../src/dump/kdump-header.ts';

/** Places in `struct new_utsname`. */
const FIELD = { sysname: 0, release: 2, version: 3 } as const;

/** Whether the header of a kdump file names no kernel. */
function isNameless(path: string): boolean {
  const header = Buffer.alloc(HEADER.size);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, header, 0, header.length, 0);
  } finally {
    closeSync(fd);
  }
  const release = header[HEADER.utsname + FIELD.release * UTSNAME_FIELD];
  return header.toString('latin1', 0, KDUMP_SIGNATURE.length) === KDUMP_SIGNATURE && release === 0;
}

/**
 * Calls `use` with the dump, or with a twin of it that lasts as long as the call.
 * @param release - what VMCOREINFO says
 */
export function withReadable<T>(path: string, release: string, use: (path: string) => T): T {
  if (!isNameless(path)) return use(path);
  const folder = mkdtempSync(join(tmpdir(), 'kwhy-oracle-'));
  try {
    const twin = join(folder, basename(path));
    copyFileSync(path, twin, constants.COPYFILE_FICLONE);
    chmodSync(twin, 0o600);
    const fd = openSync(twin, 'r+');
    try {
      for (const [field, text] of [
        [FIELD.sysname, 'Linux'],
        [FIELD.release, release],
        [FIELD.version, 'unknown'],
      ] as const)
        writeSync(fd, `${text}\0`, HEADER.utsname + field * UTSNAME_FIELD);
    } finally {
      closeSync(fd);
    }
    return use(twin);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
