/** The whole report as text: the first screen, then evidence, checks and coverage. */
import type { Report } from '../model/report.ts';
import { paint } from './paint.ts';
import { checkedSection, readSection } from './report-checks.ts';
import { evidenceSection } from './report-evidence.ts';
import { firstScreen } from './report-first-screen.ts';
import { storySection } from './report-story.ts';
import { asciiSparks } from './sparkline.ts';

export interface TextOptions {
  /** Columns to wrap at. */
  readonly width: number;
  readonly colour: boolean;
  /** The terminal may know nothing but ASCII: what is drawn inside of sentences is drawn in ASCII. */
  readonly ascii?: boolean;
}

/** Ends with a newline. */
export function reportText(report: Report, { width, colour, ascii = false }: TextOptions): string {
  const screen = firstScreen(report, width);
  const lines = [
    ...screen.lines,
    ...storySection(report, width),
    ...evidenceSection(report, screen.below, width),
    ...checkedSection(report, width),
    ...readSection(report, width),
  ];
  return paint(ascii ? lines.map(asciiSparks) : lines, colour);
}
