/**
 * Reasons why things could not be read, made short: those that differ in an address only are one line with their number.
 */
export function groupReasons(reasons: readonly string[]): readonly string[] {
  const groups = new Map<string, { readonly first: string; count: number }>();
  for (const reason of reasons) {
    const key = reason.replace(/\b(0x)?[0-9a-f]{16}\b/g, '@').replace(/\bpid \d+/g, 'pid @');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: reason, count: 1 });
    else group.count++;
  }
  return [...groups.values()].map(({ first, count }) =>
    count === 1 ? first : `${first} (and ${count - 1} more like it)`,
  );
}
