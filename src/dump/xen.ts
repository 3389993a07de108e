/**
 * Xen's dumps are ELF files too, and not of this kind: `xl dump-core` of a guest (xen/include/public/elfnote.h and
 * docs/misc/dump-core-format.txt: sections `.xen_pages` and `.xen_pfn` or `.xen_p2m`, no segments), and a kdump of the
 * host, whose memory is that of the hypervisor (notes 'Xen', 'VMCOREINFO_XEN'). Recognised here, read nowhere.
 */
import { ByteView } from '../base/bytes.ts';
import { attempt, UsageError } from '../base/errors.ts';
import type { ByteSource } from './byte-source.ts';
import type { ElfNote } from './dump-file.ts';

const XEN_ELFNOTE_CRASH_INFO = 0x1000001;
const XEN_ELFNOTE_CRASH_REGS = 0x1000002;
const SHDR_SIZE = 64;
const MAX_SECTIONS = 64;
const MAX_NAMES = 4096;

/** @throws UsageError when the notes are those of a crashed Xen host */
export function refuseXenHost(name: string, notes: readonly ElfNote[]): void {
  const isHost = notes.some(
    (note) =>
      note.name === 'VMCOREINFO_XEN' ||
      (note.name === 'Xen' && (note.type === XEN_ELFNOTE_CRASH_INFO || note.type === XEN_ELFNOTE_CRASH_REGS)),
  );
  if (isHost)
    throw new UsageError(`${name}: a dump of a Xen host and its dom0, which is not supported (crash opens it)`);
}

/** @throws UsageError when the ELF file without segments is the dump of a Xen guest */
export function refuseXenGuest(name: string, source: ByteSource): void {
  if (attempt(() => sectionNames(source))?.includes('.xen_pages') !== true) return;
  const instead = 'take one with kdump in the guest';
  throw new UsageError(`${name}: a dump of a Xen guest, which is not supported (crash opens it); ${instead}`);
}

/** @throws FormatError when the section headers cannot be read */
function sectionNames(source: ByteSource): string {
  const header = new ByteView(Uint8Array.from(source.peek(0, 64)), 'ELF header');
  const count = Math.min(header.u16(60), MAX_SECTIONS);
  const table = new Uint8Array(count * SHDR_SIZE);
  source.read(header.size64(40), table);
  const names = new ByteView(table, 'ELF sections');
  const at = header.u16(62) * SHDR_SIZE;
  const bytes = new Uint8Array(Math.min(names.size64(at + 32), MAX_NAMES));
  source.read(names.size64(at + 24), bytes);
  return Buffer.from(bytes).toString('latin1');
}
