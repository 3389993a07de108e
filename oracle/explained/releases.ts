/**
 * Kernel releases, for explanations of what an oracle does not know of some kernels.
 */

/** Whether `uname -r` is of this version or a later one. */
export function isSince(release: string, major: number, minor: number): boolean {
  const [own = 0, ownMinor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  return own > major || (own === major && ownMinor >= minor);
}
