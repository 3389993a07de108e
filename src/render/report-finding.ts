/**
 * Parts of the text of one finding that several sections show: its confidence, the labelled lines of its story, its
 * remedies.
 */
import type { Confidence, Finding, Remedy, StoryLine, Topic } from '../model/finding.ts';
import type { Prose } from '../model/value.ts';
import { wrap } from './layout.ts';
import { type Line, type Style, span } from './spans.ts';
import { proseSpans } from './value-text.ts';

/** In the order of the first screen. */
const labels: { readonly [T in Topic]: string } = {
  what: 'What',
  why: 'Why',
  holder: 'Held by',
  waiters: 'Waiting',
  launcher: 'Launched by',
  since: 'Since',
  clears: 'Clears itself?',
  memory: 'Memory',
  remedy: 'Do',
};
const order = Object.keys(labels);

/** Columns of the labels at the left; where there is little room, a label gets a line of its own. */
export function labelColumns(width: number): number {
  return width < 60 ? 2 : 16;
}

const confidenceStyles: { readonly [C in Confidence]: Style } = {
  certain: 'good',
  probable: 'warning',
  possible: 'warning',
};

/** `certain`; `probable, because ...`. */
export function confidenceSpans(confidence: Confidence, because: Prose | undefined): Line {
  const word = span(confidence, confidenceStyles[confidence]);
  return because === undefined || because.length === 0 ? [word] : [word, span(': '), ...proseSpans(because)];
}

/** The title and `[certain]`. */
export function titleSpans(finding: Finding): Line {
  const { confidence, title } = finding;
  return [...proseSpans(title), span(' '), span(`[${confidence}]`, confidenceStyles[confidence], true)];
}

/** `Restart it. But: ...`; `Restart it - but: ...` where the action is no whole sentence. */
function remedySpans({ action, caution }: Remedy): Line {
  const said = proseSpans(action);
  if (caution === undefined) return said;
  const sentence = said.at(-1)?.text.endsWith('.') === true;
  return [...said, span(sentence ? ' But: ' : ' - but: '), ...proseSpans(caution)];
}

function labelled(topic: Topic, spans: readonly Line[], width: number): Line[] {
  return spans.flatMap((text, i) =>
    wrap(text, width, { lead: i === 0 ? [span(labels[topic], 'label')] : [], columns: labelColumns(width) }),
  );
}

/**
 * The story, in the order of its topics. Remedies are told under `Do`: the story's own words where it has some, else
 * the finding's list.
 */
export function storyLines(finding: Finding, width: number): Line[] {
  const topics = new Map<Topic, Line[]>();
  const sorted: StoryLine[] = [...finding.story].sort((a, b) => order.indexOf(a.topic) - order.indexOf(b.topic));
  for (const { topic, text } of sorted) topics.set(topic, [...(topics.get(topic) ?? []), proseSpans(text)]);
  if (!topics.has('remedy') && finding.remedies.length > 0) topics.set('remedy', finding.remedies.map(remedySpans));
  return [...topics].flatMap(([topic, texts]) => labelled(topic, texts, width));
}

/** The list of remedies, where the story has told them in its own words. */
export function remedyLines(finding: Finding, width: number): Line[] {
  if (!finding.story.some(({ topic }) => topic === 'remedy')) return [];
  return labelled('remedy', finding.remedies.map(remedySpans), width);
}
