/**
 * VMCOREINFO: the `KEY=VALUE` text that a kernel keeps for dump tools (kernel/vmcore_info.c, formerly crash_core.c).
 * It is limited to one page and silently cut off there, dump tools append lines to it, and a dump may hold anything
 * in its place: lines that make no sense are passed over, the first of several equal keys counts, and whatever is
 * missing is `undefined`. Values: SYMBOL() bare hex at run-time addresses, NUMBER() signed decimal or 0x hex,
 * SIZE/OFFSET/LENGTH decimal.
 */
import { type VirtAddr, virt } from '../base/address.ts';

/** Kernels write at most 4096 bytes; notes of other tools may be longer. Whatever lies behind is not read. */
const MAX_BYTES = 64 * 1024;

export interface Vmcoreinfo {
  /** `uname -r` of the crashed kernel. */
  readonly osRelease: string | undefined;
  /** Lower-case hex. Since Linux 5.9; some stable kernels (6.1.113-118, 6.6.55-62, 6.11.3-9) wrote garbage. */
  readonly buildId: string | undefined;
  readonly pageSize: number | undefined;
  /** Seconds since 1970. Appended only by a real crash: its presence tells a kdump from a live snapshot. */
  readonly crashTime: bigint | undefined;
  /** Distance by which KASLR moved the kernel, bytes. x86-64 since 3.14, arm64 since about 4.18. */
  readonly kernelOffset: bigint | undefined;
  /** `SYMBOL(name)`: the run-time address. */
  symbol(name: string): VirtAddr | undefined;
  /** `NUMBER(name)`. */
  number(name: string): bigint | undefined;
  /** `SIZE(name)`: sizeof(struct name), bytes. */
  size(name: string): number | undefined;
  /** `OFFSET(struct.member)`, bytes. */
  offset(name: string): number | undefined;
  /** `LENGTH(name)`: number of elements. */
  length(name: string): number | undefined;
  /** The raw value of any key, such as `CONFIG_X86_PAE` or `SYMBOL(prb)`. */
  text(key: string): string | undefined;
  /** All keys in the order of the text. */
  keys(): readonly string[];
}

/** Never throws: text that cannot be read has no keys. */
export function parseVmcoreinfo(bytes: Uint8Array): Vmcoreinfo {
  const values = new Map<string, string>();
  const bounded = bytes.subarray(0, MAX_BYTES);
  const nul = bounded.indexOf(0);
  const text = Buffer.from(bounded.buffer, bounded.byteOffset, nul < 0 ? bounded.length : nul).toString('latin1');
  for (const line of text.split('\n')) {
    const split = line.indexOf('=');
    if (split <= 0) continue;
    const key = line.slice(0, split).trim();
    if (key !== '' && !values.has(key)) values.set(key, line.slice(split + 1).trim());
  }
  const decimal = (key: string): number | undefined => toCount(values.get(key));
  const crashTime = toInteger(values.get('CRASHTIME'));
  const buildId = values.get('BUILD-ID');
  return {
    osRelease: values.get('OSRELEASE'),
    buildId: buildId !== undefined && /^[0-9a-f]{8,128}$/i.test(buildId) ? buildId.toLowerCase() : undefined,
    pageSize: decimal('PAGESIZE'),
    crashTime: crashTime !== undefined && crashTime >= 0n ? crashTime : undefined,
    kernelOffset: toHex(values.get('KERNELOFFSET')),
    symbol: (name) => {
      const raw = toHex(values.get(`SYMBOL(${name})`));
      return raw === undefined ? undefined : virt(raw);
    },
    number: (name) => toInteger(values.get(`NUMBER(${name})`)),
    size: (name) => decimal(`SIZE(${name})`),
    offset: (name) => decimal(`OFFSET(${name})`),
    length: (name) => decimal(`LENGTH(${name})`),
    text: (key) => values.get(key),
    keys: () => [...values.keys()],
  };
}

/** Hex of at most 64 bits, with or without `0x`. */
function toHex(value: string | undefined): bigint | undefined {
  const match = /^(?:0x)?([0-9a-f]{1,16})$/i.exec(value ?? '');
  return match?.[1] === undefined ? undefined : BigInt(`0x${match[1]}`);
}

/** Signed decimal, or hex when it begins with `0x`; at most 64 bits. */
function toInteger(value: string | undefined): bigint | undefined {
  if (value === undefined) return undefined;
  if (/^0x/i.test(value)) return toHex(value);
  if (!/^-?[0-9]{1,20}$/.test(value)) return undefined;
  const parsed = BigInt(value);
  return parsed >= -(1n << 63n) && parsed < 1n << 64n ? parsed : undefined;
}

/** A size, an offset or a count: not negative, exact as a number. */
function toCount(value: string | undefined): number | undefined {
  const parsed = toInteger(value);
  return parsed !== undefined && parsed >= 0n && parsed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(parsed) : undefined;
}
