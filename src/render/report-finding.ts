/**
 * Parts of the text of one finding that several sections show: its confidence, the labelled lines of its story, its
 * remedies.
 */
import { type Confidence, type Finding, remedyText, type Topic } from '../model/finding.ts';
import type { Prose } from '../model/value.ts';
import { wrap } from './layout.ts';
import { type Line, type Style, span } from './spans.ts';
import { proseSpans } from './value-text.ts';

/** In the order of the first screen. */
const labels: { readonly [T in Topic]: string } = {
  what: 'What',
  why: 'Why',
  holder: 'Held by',
  proof: 'Proof',
  task: 'Ran for',
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

/** One labelled paragraph of a finding's story. */
export interface Telling {
  readonly topic: Topic;
  readonly text: Line;
  /** Never for the first screen. */
  readonly detail: boolean;
}

/**
 * The story, in the order of its topics. Remedies are told under `Do`: the story's own words where it has some, else
 * the finding's list.
 */
export function tellingsOf(finding: Finding): Telling[] {
  const told: Telling[] = finding.story.map(({ topic, text, detail }) => ({
    topic,
    text: proseSpans(text),
    detail: detail === true,
  }));
  if (!told.some(({ topic }) => topic === 'remedy'))
    told.push(
      ...finding.remedies.map((remedy) => ({
        topic: 'remedy' as const,
        text: proseSpans(remedyText(remedy)),
        detail: false,
      })),
    );
  return told.sort((a, b) => order.indexOf(a.topic) - order.indexOf(b.topic));
}

/** Paragraphs with their labels; a label is said once for all that follow each other. */
export function tellingLines(tellings: readonly Telling[], width: number): Line[] {
  return tellings.flatMap(({ topic, text }, i) =>
    labelledLines(tellings[i - 1]?.topic === topic ? undefined : labels[topic], text, width),
  );
}

/** A paragraph behind a label, or under the one before. */
export function labelledLines(label: string | undefined, text: Line, width: number): Line[] {
  return wrap(text, width, { lead: label === undefined ? [] : [span(label, 'label')], columns: labelColumns(width) });
}

/** The list of remedies, where the story has told them in its own words. */
export function remedyLines(finding: Finding, width: number): Line[] {
  if (!finding.story.some(({ topic }) => topic === 'remedy')) return [];
  return tellingLines(
    finding.remedies.map((remedy) => ({ topic: 'remedy', text: proseSpans(remedyText(remedy)), detail: false })),
    width,
  );
}
