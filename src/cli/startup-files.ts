/**
 * `.kwhyrc`: lines that are run at the start, for aliases and settings. That of the user's home may do what a user may;
 * one in the current folder may have come with a dump from somebody else, so that it may hold commands only.
 */
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Trust } from './line-runner.ts';

export interface StartupFile {
  readonly path: string;
  readonly trust: Trust;
}

export function startupFiles(
  env: { readonly [name: string]: string | undefined },
  folder: string,
): readonly StartupFile[] {
  const home = env.HOME;
  const out: StartupFile[] = [];
  const add = (path: string, trust: Trust): void => {
    if (existsSync(path) && !out.some((known) => realpathSync(known.path) === realpathSync(path)))
      out.push({ path, trust });
  };
  if (home !== undefined && home !== '') add(join(home, '.kwhyrc'), 'full');
  add(join(folder, '.kwhyrc'), 'commands-only');
  return out;
}
