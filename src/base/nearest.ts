/** The known word that somebody most likely meant. */

/** Insertions, deletions, replacements and swaps of neighbours that make one word of the other. */
function distance(a: string, b: string): number {
  let previous: number[] = [];
  let current = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (current[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(replaced, (current[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (previous[j - 2] ?? 0) + 1);
      }
      next.push(least);
    }
    previous = current;
    current = next;
  }
  return current[b.length] ?? 0;
}

/** The one that begins like `word`, else the nearest within a third of its letters; undefined when nothing is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > 40) return undefined;
  const longer = known.find((each) => word.replace(/^-+/, '').length > 1 && each.startsWith(word));
  if (longer !== undefined) return longer;
  const ranked = known.map((each) => ({ each, far: distance(word, each) })).sort((a, b) => a.far - b.far);
  const [best] = ranked;
  return best !== undefined && best.far <= Math.max(1, Math.floor(word.length / 3)) ? best.each : undefined;
}
