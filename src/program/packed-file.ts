/**
 * Files that are packed whole (.gz, .xz, .zst), as distributions ship vmlinux and modules: unpacked into a file without a
 * name in the folder for temporary files, which is gone when it is closed. Told by content, never by name. zlib and zstd are
 * Node's own, xz is the program of that name.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../base/errors.ts';

export type Packing = 'gzip' | 'xz' | 'zstd';

/** Larger than any kernel with all its debug information; what unpacks to more is no kernel. */
const MAX_UNPACKED = 2 ** 33;

const MAGIC: readonly (readonly [Packing, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
];

/** By the first bytes of a file; undefined when it is not packed. */
export function packingOf(head: Uint8Array): Packing | undefined {
  return MAGIC.find(([, magic]) => magic.every((byte, i) => head[i] === byte))?.[0];
}

/**
 * A program of its own: unpacking is asynchronous in Node, and whoever opens a dump is not. Arguments: the packing, and
 * after how many bytes to stop (status 0) or that more is an error (status 4).
 */
const UNPACK = `
const { spawn } = require('node:child_process');
const { pipeline, Transform } = require('node:stream');
const zlib = require('node:zlib');
const [kind, limit, cut] = process.argv.slice(1);
let left = Number(limit);
const bounded = new Transform({
  transform(chunk, _, next) {
    if (chunk.length <= left) { left -= chunk.length; return next(null, chunk); }
    if (cut !== 'cut') return next(Object.assign(new Error('too large'), { status: 4 }));
    require('node:fs').writeSync(1, chunk.subarray(0, left));
    process.exit(0);
  },
});
const source = kind === 'xz'
  ? [spawn('xz', ['-dc'], { stdio: [0, 'pipe', 'inherit'] })
      .on('error', () => process.exit(5))
      .on('exit', (status) => { if (status !== 0) process.exit(3); }).stdout]
  : [process.stdin, kind === 'gzip' ? zlib.createGunzip() : zlib.createZstdDecompress()];
pipeline(...source, bounded, process.stdout, (error) => {
  if (error) process.exitCode = error.status ?? 3;
});
`;

function run(packing: Packing, input: number, output: number | 'pipe', limit: number, cut: boolean) {
  return spawnSync(process.execPath, ['-e', UNPACK, '--', packing, String(limit), cut ? 'cut' : ''], {
    stdio: [input, output, 'ignore'],
    maxBuffer: Math.min(limit, 1 << 24) + 1,
  });
}

/**
 * The first bytes of what is packed in a file; undefined when it is not packed, or does not unpack.
 * @param length - bytes; a file that has less gives what it has
 * @throws system errors
 */
export function packedHead(path: string, length: number): Uint8Array | undefined {
  const fd = openSync(path, 'r');
  try {
    const head = Buffer.alloc(8);
    readSync(fd, head, 0, head.length, 0);
    const packing = packingOf(head);
    if (packing === undefined) return undefined;
    const { stdout, status } = run(packing, fd, 'pipe', length, true);
    return status === 0 ? stdout : undefined;
  } finally {
    closeSync(fd);
  }
}

/**
 * @returns a descriptor of what is packed in the file, which the caller closes; undefined when it is not packed
 * @throws UsageError when it does not unpack; system errors
 */
export function openUnpacked(path: string): number | undefined {
  const fd = openSync(path, 'r');
  let folder: string | undefined;
  try {
    const head = Buffer.alloc(8);
    readSync(fd, head, 0, head.length, 0);
    const packing = packingOf(head);
    if (packing === undefined) return undefined;
    folder = mkdtempSync(join(tmpdir(), 'kwhy-'));
    const output = openSync(join(folder, 'unpacked'), 'wx+', 0o600);
    const { status } = run(packing, fd, output, MAX_UNPACKED, false);
    if (status === 0) return output;
    closeSync(output);
    throw new UsageError(`${path.replace(/\p{Cc}/gu, '?')}: ${reason(packing, status)}`);
  } finally {
    closeSync(fd);
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

function reason(packing: Packing, status: number | null): string {
  if (status === 4) return `unpacks to more than ${MAX_UNPACKED / 2 ** 30} GiB`;
  if (status === 5) return 'is packed with xz, and there is no program xz here: install xz-utils, or unpack it';
  return `is packed with ${packing}, and does not unpack: it is damaged, or there is no room in ${tmpdir()}`;
}
