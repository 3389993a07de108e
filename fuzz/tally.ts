/** Counts words; part of many summaries. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(word: string): void {
    this.#counts.set(word, (this.#counts.get(word) ?? 0) + 1);
  }

  /** Each word and its count, by word. */
  get words(): (string | number)[] {
    return [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)).flat();
  }
}
