/**
 * Where the lab keeps things. Everything it makes lies below `lab/dumps` and `lab/cache`, which git ignores.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** The lab's folder in the repository. */
export const labRoot = import.meta.dirname;
/** One folder per incident. */
export const incidentsRoot = join(labRoot, 'incidents');
/** Sources of what runs inside the guest. */
export const guestRoot = join(labRoot, 'guest');
/** Dumps: `<incident>/<kernel>/<variant>/`. */
export const dumpsRoot = join(labRoot, 'dumps');
/** Downloads and what is built from them. */
export const cacheRoot = join(labRoot, 'cache');

/** Makes a folder below the cache and returns its path. */
export function cacheFolder(...parts: string[]): string {
  const path = join(cacheRoot, ...parts);
  mkdirSync(path, { recursive: true });
  return path;
}
