/**
 * What proves a finding, as a paragraph of its story: the claims that decide, each with the command that shows the same by
 * hand. All of them stand below the first screen.
 */
import type { Evidence, StoryLine } from '../../model/finding.ts';
import { command, prose, type Prose } from '../../model/value.ts';

/** @param most - so many claims decide, the first ones */
export function proofLines(evidence: readonly Evidence[], most: number): readonly StoryLine[] {
  const told = evidence.slice(0, most);
  if (told.length === 0) return [];
  const more = evidence.length - told.length;
  const claims = told.flatMap(
    ({ claim, show }, i) => prose`${i === 0 ? '' : ' '}${openEnded(claim)}; by hand: ${command(show)}.`,
  );
  return [{ topic: 'proof', text: more === 0 ? claims : prose`${claims} ${String(more)} more below.` }];
}

/** A sentence without its full stop, to be gone on with. */
function openEnded(claim: Prose): Prose {
  const last = claim.at(-1);
  return typeof last === 'string' && last.endsWith('.') ? [...claim.slice(0, -1), last.slice(0, -1)] : claim;
}
