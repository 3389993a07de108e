/** The whole report as text: the first screen, then evidence, checks and coverage. */
import type { Report } from '../model/report.ts';
import { paint } from './paint.ts';
import { checkedSection, readSection } from './report-checks.ts';
import { evidenceSection } from './report-evidence.ts';
import { firstScreen } from './report-first-screen.ts';
import { storySection } from './report-story.ts';
import { barSparks } from './sparkline.ts';

export interface TextOptions {
  /** Columns to wrap at. */
  readonly width: number;
  readonly colour: boolean;
  /** The locale is UTF-8: what is drawn inside of sentences may have signs that ASCII has not. */
  readonly utf8?: boolean;
}

/** Ends with a newline. */
export function reportText(report: Report, { width, colour, utf8 = false }: TextOptions): string {
  const screen = firstScreen(report, width);
  const lines = [
    ...screen.lines,
    ...storySection(report, width),
    ...evidenceSection(report, screen.below, width),
    ...checkedSection(report, width),
    ...readSection(report, width),
  ];
  return paint(utf8 ? lines.map(barSparks) : lines, colour);
}
