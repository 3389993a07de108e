/**
 * Remembers what a peer answered, by a hash of everything that decides on it: dumps are big and peers slow.
 */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync, renameSync, writeFileSync } from 'node:fs';
import { cacheFile } from './paths.ts';

/** Hash of a file's whole content. */
export function fileHash(path: string): string {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(1 << 20);
  const fd = openSync(path, 'r');
  try {
    for (let got = readSync(fd, chunk); got > 0; got = readSync(fd, chunk)) hash.update(chunk.subarray(0, got));
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}

/**
 * The text that `make` gives, or gave before for the same parts.
 * @param name - the peer, for the file's name
 * @param parts - whatever the text depends on: hashes of files, arguments, versions, scripts
 */
export function remembered(name: string, parts: readonly string[], make: () => string): string {
  const key = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
  const path = cacheFile(`${name}-${key}`);
  if (existsSync(path)) return readFileSync(path, 'utf8');
  const text = make();
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
  return text;
}
