/**
 * Where the suite keeps things: nothing of it is in the repository but the sources.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** Our folder in the checkout. */
export const oracleRoot = import.meta.dirname;
/** What `--setup` makes when KWHY_PEERS names no other place; ignored by git. */
const ownPeers = join(oracleRoot, 'peers');
/** Answers of the peers by what was asked of what; ignored by git. */
const cacheRoot = join(oracleRoot, 'cache');

/** The peers' folder: `sid` is the root of a Debian, `debug/<release>` the unpacked debug package of a kernel. */
export function peersFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const named = environment['KWHY_PEERS'];
  return named === undefined || named === '' ? ownPeers : named;
}

/** Makes the cache's folder and returns the path of a file in it. */
export function cacheFile(name: string): string {
  mkdirSync(cacheRoot, { recursive: true });
  return join(cacheRoot, name);
}
