/**
 * Parts of a Markdown file that a program writes, between `<!-- generated: NAME -->` and `<!-- end: NAME -->`. What
 * stands around them is written by hand and kept.
 */

/** @throws Error when the markers are not there, once each and in order */
export function replaceGenerated(document: string, name: string, body: string): string {
  const begin = `<!-- generated: ${name} -->`;
  const end = `<!-- end: ${name} -->`;
  const [before, rest, ...more] = document.split(begin);
  const [, after, ...others] = rest?.split(end) ?? [];
  if (before === undefined || after === undefined || more.length + others.length > 0) {
    throw new Error(`the document has no part between ${begin} and ${end}`);
  }
  return `${before}${begin}\n\n${body.trim()}\n\n${end}${after}`;
}
