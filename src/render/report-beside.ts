/** What stands beside the lead: what explains it or follows from it, the trigger, and what has nothing to do with it. */
import type { Finding } from '../model/finding.ts';
import type { Report, StoryLink } from '../model/report.ts';

/** The label of what explains the lead and is no part of a circle with it. */
export const ROOT = 'Root cause';

/** The label of what is of one story with the lead, and neither explains it nor follows from it. */
export const ALSO = 'Also';

export interface Besides {
  /** Of the lead's story, with the label that says how they are tied. */
  readonly tied: readonly { readonly finding: Finding; readonly tie: string }[];
  readonly trigger: readonly Finding[];
  /** Symptoms of the lead that made the trigger come: a setting that stops the machine where it need not. */
  readonly stops: readonly Finding[];
  readonly apart: readonly Finding[];
}

/** @param lead - the finding that the first screen tells */
export function besides(report: Report, lead: Finding | undefined): Besides {
  const { findings, stories } = report;
  const index = lead === undefined ? -1 : findings.indexOf(lead);
  const story = stories.find((each) => each.findings.includes(index));
  const own = new Set(story?.findings);
  const above = reached(index, story?.links ?? [], ({ from, to }) => [to, from]);
  const under = reached(index, story?.links ?? [], ({ from, to }) => [from, to]);
  const tied = (story?.findings ?? []).flatMap((i) => {
    const finding = findings[i];
    // What only follows, or informs, the lead tells itself; the section below tells the whole story.
    if (finding === undefined || i === index || finding.role !== 'cause') return [];
    const tie = above.has(i) ? (under.has(i) ? 'Closed loop' : ROOT) : under.has(i) ? 'Leads to' : ALSO;
    return [{ finding, tie }];
  });
  const stops = (story?.links ?? []).flatMap(({ from, to }) => {
    const finding = findings[from];
    const stopping = under.has(from) && findings[to]?.role === 'trigger';
    return finding?.role === 'symptom' && stopping ? [finding] : [];
  });
  const others = findings.filter((finding, i) => finding !== lead && finding.role !== 'trigger' && !own.has(i));
  const trigger = findings.filter((finding) => finding !== lead && finding.role === 'trigger');
  return { tied, trigger, stops, apart: others };
}

/** All that links lead to from one finding, itself left out. */
function reached(
  start: number,
  links: readonly StoryLink[],
  ends: (link: StoryLink) => readonly [number, number],
): ReadonlySet<number> {
  const seen = new Set<number>([start]);
  // A Set's iteration also visits what is added on the way.
  for (const i of seen)
    for (const link of links) {
      const [from, to] = ends(link);
      if (from === i) seen.add(to);
    }
  seen.delete(start);
  return seen;
}
