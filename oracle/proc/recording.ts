/**
 * What the guest's own kernel said in /proc: the lab records it twice, one second apart, just before the dump, as a tar
 * with the folders `1` and `2` (lab/guest/oracle.c).
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';

const BLOCK = 512;
/** Recordings are some hundred KiB. */
const MAX_BYTES = 1 << 28;

/** Both recordings: files by path: below /proc ('meminfo', '12/status'), others from the root ('/sys/fs/cgroup/...'). */
export interface Recording {
  readonly first: ReadonlyMap<string, string>;
  readonly second: ReadonlyMap<string, string>;
}

/** Ordinary files of a tar, by path. */
export function untar(bytes: Uint8Array): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const text = (from: number, to: number): string => {
    const part = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
    return part.split('\0', 1)[0] ?? '';
  };
  for (let at = 0; at + BLOCK <= bytes.length; ) {
    const name = text(at, at + 100);
    if (name === '') break;
    const size = parseInt(text(at + 124, at + 136), 8);
    if (!(size >= 0) || at + BLOCK + size > bytes.length) break;
    const body = bytes.subarray(at + BLOCK, at + BLOCK + size);
    files.set(name, Buffer.from(body.buffer, body.byteOffset, size).toString('utf8'));
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}

/** The recording beside a dump; undefined when there is none. */
export function readRecording(dump: string): Recording | undefined {
  const path = join(dirname(dump), 'oracle.tar.zst');
  if (!existsSync(path)) return undefined;
  const files = untar(zstdDecompressSync(readFileSync(path), { maxOutputLength: MAX_BYTES }));
  const below = (folder: string): ReadonlyMap<string, string> =>
    new Map(
      [...files]
        .filter(([name]) => name.startsWith(`${folder}/`))
        .map(([name, text]) => [name.slice(folder.length).replace(/^\/proc\//, ''), text] as const),
    );
  const first = below('1');
  const second = below('2');
  // A recording that was given up has no second half to measure by.
  return first.size === 0 || second.size === 0 ? undefined : { first, second };
}
