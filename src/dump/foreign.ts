/**
 * What a file that is no supported dump most likely is, by its first bytes, and what can be done about it: the program
 * that opens it, or the command to run first. Only names formats; reads none. Magic numbers as crash, file(1) and the
 * formats' own documents have them.
 */
interface Magic {
  readonly bytes: string;
  readonly at?: number;
  readonly says: string | ((name: string) => string);
}

/** Asked for so many bytes: a page, at whose end a swap area has its name. */
export const HEAD_BYTES = 4096;

/** How the message about a compressed file begins. */
export const COMPRESSED = 'compressed with ';

/**
 * The command writes a file without the ending, as programs that unpack go by it and the content decides here.
 * @param program - writes to its output what it is given to unpack
 */
const compressed =
  (what: string, program: string) =>
  (name: string): string => {
    const unpacked = name.replace(/\.(gz|xz|zst|bz2|lz4|lzo|Z)$/, '');
    const target = unpacked === name ? `${name}.unpacked` : unpacked;
    return `${COMPRESSED}${what}, which cannot be read in place; unpack it: ${program} ${shell(name)} > ${shell(target)}`;
  };
const archive =
  (what: string, command: string) =>
  (name: string): string =>
    `${what}; unpack the dump: ${command} ${shell(name)}`;
const crashOpens = (what: string): string => `${what}, which is not supported (crash opens it)`;
const VMWARE = `${crashOpens('a VMware suspend or snapshot file')}; a .vmem file beside it is raw memory, open that`;
const LIBVIRT = 'dump the guest with virsh dump --memory-only';

const magics: readonly Magic[] = [
  { bytes: 'DISKDUMP', says: crashOpens('a dump of the old diskdump facility') },
  { bytes: 'AVML', says: 'a compressed AVML memory image; make it a LiME image first: avml-convert' },
  { bytes: '\xd0\xbe\xd2\xbe', says: VMWARE },
  { bytes: '\xd1\xba\xd1\xba', says: VMWARE },
  { bytes: '\xd2\xbe\xd2\xbe', says: VMWARE },
  { bytes: '\xd3\xbe\xd3\xbe', says: VMWARE },
  { bytes: 'sadump\0\0', says: crashOpens('a Fujitsu sadump') },
  { bytes: '\xed\x23\x8f\x61\x73\x01\x19\xa8', says: crashOpens('an LKCD dump') },
  { bytes: '\xa8\x19\x01\x73\x61\x8f\x23\xed', says: crashOpens('a big-endian LKCD dump') },
  { bytes: '\xa8\x19\x01\x73\x61\x8f\x23\xfd', says: crashOpens('an s390 stand-alone dump') },
  { bytes: '\xed\xeb\x0f\xf0', says: crashOpens('an old Xen core dump') },
  { bytes: '\xeb\x0f\xf0\xed', says: crashOpens('an old Xen core dump') },
  { bytes: 'LinuxGuestRecord', says: 'a saved Xen guest, not a dump (take one with kdump in the guest)' },
  { bytes: '\xff\xff\xff\xff\xff\xff\xff\xffXENF', says: 'a saved Xen guest, not a dump (take one with kdump in it)' },
  { bytes: 'LibvirtQemud', says: `a saved libvirt guest, not a dump; ${LIBVIRT}` },
  { bytes: 'QEVM', says: `a QEMU migration stream, as virsh dump writes by default; ${LIBVIRT}` },
  { bytes: '\x7fVirtualBox SavedState', says: 'a saved VirtualBox guest; dump it with VBoxManage debugvm dumpvmcore' },
  { bytes: 'PAGEDU', says: 'a dump of Windows (WinDbg opens it)' },
  { bytes: 'MDMP', says: 'a Windows or breakpad minidump, not a dump of a kernel' },
  { bytes: '\x1f\x8b', says: compressed('gzip', 'gzip -dc') },
  { bytes: '\xfd7zXZ\0', says: compressed('xz', 'xz -dc') },
  { bytes: '\x28\xb5\x2f\xfd', says: compressed('zstd', 'zstd -dc') },
  { bytes: 'BZh', says: compressed('bzip2', 'bzip2 -dc') },
  { bytes: '\x04\x22\x4d\x18', says: compressed('lz4', 'lz4 -dc') },
  { bytes: '\x02\x21\x4c\x18', says: compressed('lz4', 'lz4 -dc') },
  { bytes: '\x89LZO\0', says: compressed('lzop', 'lzop -dc') },
  { bytes: '\x1f\x9d', says: compressed('compress', 'gzip -dc') },
  { bytes: 'PK\x03\x04', says: archive('a zip archive', 'unzip') },
  { bytes: '7z\xbc\xaf\x27\x1c', says: archive('a 7-Zip archive', '7z x') },
  { bytes: 'ustar', at: 257, says: archive('a tar archive', 'tar -xf') },
  { bytes: 'HdrS', at: 0x202, says: 'a kernel image (bzImage), not a dump' },
  { bytes: '!<arch>\n', says: 'an ar archive or Debian package, not a dump' },
  { bytes: '\xed\xab\xee\xdb', says: 'an rpm package, not a dump' },
  { bytes: 'PERFILE2', says: 'a recording of perf, not a dump' },
  { bytes: 'SQLite format 3\0', says: 'an SQLite database, not a dump' },
  // Disks, that nobody need search for a kernel in memory.
  { bytes: 'QFI\xfb', says: 'a qcow2 disk image, not a dump' },
  { bytes: 'KDMV', says: 'a VMware disk image, not a dump' },
  { bytes: 'conectix', says: 'a disk image (VHD), not a dump' },
  { bytes: 'vhdxfile', says: 'a disk image (VHDX), not a dump' },
  { bytes: '<<< ', says: 'a VirtualBox disk image, not a dump' },
  { bytes: 'EFI PART', at: 512, says: 'an image of a disk, not a dump' },
  { bytes: '\x55\xaa', at: 510, says: 'an image of a disk or boot sector, not a dump' },
  { bytes: '\x53\xef', at: 0x438, says: 'an ext file system, not a dump' },
  { bytes: 'XFSB', says: 'an XFS file system, not a dump' },
  { bytes: 'hsqs', says: 'a squashfs file system, not a dump' },
  { bytes: 'LUKS\xba\xbe', says: 'an encrypted disk (LUKS), not a dump' },
  { bytes: 'S1SUSPEND', at: HEAD_BYTES - 10, says: 'a swap area with a hibernated system, not a dump' },
  { bytes: 'SWAPSPACE2', at: HEAD_BYTES - 10, says: 'a swap area, not a dump' },
];

/**
 * @param head - the first bytes of the file, at most HEAD_BYTES, as Latin-1
 * @param name - of the file, for the command to run
 * @returns undefined for bytes that say nothing
 */
export function foreignFormat(head: string, name: string): string | undefined {
  for (const { bytes, at, says } of magics) {
    if (head.startsWith(bytes, at ?? 0)) return typeof says === 'string' ? says : says(name);
  }
  if (/^[\t\n\r\x20-\x7e\x80-\xff]+$/.test(head)) return 'this is a text file, not a dump';
  return head.length < 64 ? `too small for a dump (${head.length} bytes)` : undefined;
}

/** One word of a shell. */
function shell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) && !word.startsWith('-') ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** What opens a dump of another machine, to be put behind a message. */
export function crashOf(machine: string): string {
  return /^[a-z]\w+$/i.test(machine) ? ` (crash built for ${machine} opens it)` : '';
}
