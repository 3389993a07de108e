/** The whole report as text: the first screen, then evidence, checks and coverage. */
import type { Report } from '../model/report.ts';
import { paint } from './paint.ts';
import { checkedSection, readSection } from './report-checks.ts';
import { evidenceSection } from './report-evidence.ts';
import { firstScreen } from './report-first-screen.ts';
import { storySection } from './report-story.ts';

export interface TextOptions {
  /** Columns to wrap at. */
  readonly width: number;
  readonly colour: boolean;
}

/** Ends with a newline. */
export function reportText(report: Report, { width, colour }: TextOptions): string {
  const { lines, below } = firstScreen(report, width);
  return paint(
    [
      ...lines,
      ...storySection(report, width),
      ...evidenceSection(report, below, width),
      ...checkedSection(report, width),
      ...readSection(report, width),
    ],
    colour,
  );
}
