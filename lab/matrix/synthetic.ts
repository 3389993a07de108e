/** The layouts that sources say no real dump has proven: read out of the calls of `layouts.chose` with an empty list. */

export interface SyntheticLayout {
  readonly part: string;
  readonly layout: string;
}

const CALL = /layouts\.chose\(\s*('[^']*'|[\w.]+),\s*('[^']*'),\s*\[\],?\s*\)/g;

/** Of the texts of all sources; a part that is not named in the call stands as the sources call it. */
export function syntheticLayouts(sources: readonly string[]): SyntheticLayout[] {
  return sources
    .flatMap((source) => [...source.matchAll(CALL)])
    .map(([, part = '', layout = '']) => ({ part: partName(part), layout: layout.slice(1, -1) }))
    .sort((a, b) => `${a.part} ${a.layout}`.localeCompare(`${b.part} ${b.layout}`, 'en'));
}

/** Where the part is a variable, it holds the name of a lock. */
function partName(part: string): string {
  return part.startsWith("'") ? part.slice(1, -1) : 'locks';
}
