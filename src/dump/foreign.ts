/**
 * What a file that is no supported dump most likely is, by its first bytes, and what can be done about it. Only names
 * formats; reads none.
 */
interface Magic {
  readonly bytes: string;
  readonly at?: number;
  readonly says: string;
}

const compressed = (what: string, how: string): string => `compressed with ${what}; unpack it first (${how})`;
const crashOpens = (what: string): string => `${what}, which is not supported (crash opens it)`;

const magics: readonly Magic[] = [
  { bytes: 'DISKDUMP', says: crashOpens('a dump of the old diskdump facility') },
  { bytes: 'EMiL', says: 'a LiME memory image, which is not supported (volatility opens it)' },
  { bytes: 'AVML', says: 'an AVML memory image, which is not supported (volatility opens it)' },
  { bytes: '\xd0\xbe\xd2\xbe', says: crashOpens('a VMware suspend or snapshot file') },
  { bytes: '\xd1\xba\xd1\xba', says: crashOpens('a VMware suspend or snapshot file') },
  { bytes: '\xd2\xbe\xd2\xbe', says: crashOpens('a VMware suspend or snapshot file') },
  { bytes: '\xd3\xbe\xd3\xbe', says: crashOpens('a VMware suspend or snapshot file') },
  { bytes: 'sadump\0\0', says: crashOpens('a Fujitsu sadump') },
  { bytes: '\xed\x23\x8f\x61\x73\x01\x19\xa8', says: crashOpens('an LKCD dump') },
  { bytes: '\xa8\x19\x01\x73\x61\x8f\x23\xfd', says: crashOpens('an s390 dump') },
  { bytes: '\xed\xeb\x0f\xf0', says: crashOpens('an old Xen core dump') },
  { bytes: 'LinuxGuestRecord', says: 'a saved Xen guest, not a dump (take one with xl dump-core or kdump)' },
  { bytes: '\xff\xff\xff\xff\xff\xff\xff\xffXENF', says: 'a saved Xen guest, not a dump (use kdump in the guest)' },
  { bytes: 'LibvirtQemud', says: 'a saved libvirt guest; dump it with virsh dump --memory-only' },
  { bytes: 'QEVM', says: 'a QEMU migration stream; dump the guest with virsh dump --memory-only' },
  { bytes: 'QFI\xfb', says: 'a qcow2 disk image, not a dump' },
  { bytes: 'PAGEDU', says: 'a dump of Windows' },
  { bytes: 'MDMP', says: 'a Windows or breakpad minidump, not a dump of a kernel' },
  { bytes: '\x1f\x8b', says: compressed('gzip', 'gunzip') },
  { bytes: '\xfd7zXZ\0', says: compressed('xz', 'unxz') },
  { bytes: '\x28\xb5\x2f\xfd', says: compressed('zstd', 'unzstd') },
  { bytes: 'BZh', says: compressed('bzip2', 'bunzip2') },
  { bytes: '\x04\x22\x4d\x18', says: compressed('lz4', 'unlz4') },
  { bytes: '\x89LZO\0', says: compressed('lzop', 'lzop -d') },
  { bytes: 'PK\x03\x04', says: compressed('zip', 'unzip') },
  { bytes: '7z\xbc\xaf\x27\x1c', says: compressed('7-Zip', '7z x') },
  { bytes: 'ustar', at: 257, says: 'a tar archive; unpack the dump first (tar -xf)' },
  { bytes: 'HdrS', at: 0x202, says: 'a kernel image (bzImage), not a dump' },
  { bytes: '!<arch>\n', says: 'an ar archive or Debian package, not a dump' },
  { bytes: '\xed\xab\xee\xdb', says: 'an rpm package, not a dump' },
  { bytes: 'PERFILE2', says: 'a recording of perf, not a dump' },
  { bytes: 'SQLite format 3\0', says: 'an SQLite database, not a dump' },
];

/** @param head - the first bytes of the file, at most 1024, as Latin-1 */
export function foreignFormat(head: string): string {
  for (const { bytes, at, says } of magics) if (head.startsWith(bytes, at ?? 0)) return says;
  if (/^[\t\n\r\x20-\x7e\x80-\xff]+$/.test(head)) return 'this is a text file, not a dump';
  if (head.length < 64) return `too small for a dump (${head.length} bytes)`;
  return 'not a kernel dump of a known format (ELF vmcore and kdump-compressed are supported, flattened too)';
}
