/**
 * Which layout of a structure was chosen for this dump, and on which kernels that choice was proven with a real dump.
 * Whoever probes a layout notes the choice here; a report that rests on one never seen on a real dump says so, and is
 * sure of nothing that it says from it.
 */

export interface LayoutChoice {
  /** What was probed: 'struct mutex', 'states of tasks'. */
  readonly part: string;
  /** Which form was found: 'owner and flags in one word (since 4.10)'. */
  readonly layout: string;
  /** Kernels with a real dump on which this form was compared with the truth; empty for none. */
  readonly provenOn: readonly string[];
}

/** The kernels of the real dumps that the differential suite compares with what others say of them: forms that all of them have. */
export const PROVEN: readonly string[] = ['5.10', '6.1', '6.1-rt', '6.12', '7.2'];

export class LayoutChoices {
  readonly #choices: LayoutChoice[] = [];
  /** By part and layout: asked for each task of a machine, so that no key is put together. */
  readonly #known = new Map<string, Set<string>>();

  /** Notes a choice; the first for each part and layout counts, so that it may be called again and again. */
  chose(part: string, layout: string, provenOn: readonly string[]): void {
    const layouts = this.#known.get(part);
    if (layouts?.has(layout) === true) return;
    if (layouts === undefined) this.#known.set(part, new Set([layout]));
    else layouts.add(layout);
    this.#choices.push({ part, layout, provenOn });
  }

  get all(): readonly LayoutChoice[] {
    return [...this.#choices];
  }

  /** Choices made so far that no real dump has proven. */
  get unproven(): readonly LayoutChoice[] {
    return this.#choices.filter((choice) => choice.provenOn.length === 0);
  }
}
