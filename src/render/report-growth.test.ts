import { expect, test } from 'vitest';
import { report, stuckHolder } from '../../test/builders/report.ts';
import type { Growth } from '../model/growth.ts';
import { prose, spark } from '../model/value.ts';
import { reportText } from './report-text.ts';

/** Those 51 came within three hours; of 2 it is not known when. */
const growth: Growth = {
  kind: 'growth',
  width: 3_600_000_000_000n,
  crash: undefined,
  unknown: 2,
  steps: [1, 20, 28].map((came, i) => ({
    from: BigInt(4 - i) * 3_600_000_000_000n,
    to: BigInt(3 - i) * 3_600_000_000_000n,
    came,
    waiting: [1, 21, 49][i] ?? 0,
  })),
};

test('how a crowd grew is drawn below the first screen, and within it as one word', () => {
  const story = [...stuckHolder().story, { topic: 'since', text: prose`growing ${spark([1, 21, 49])}.` } as const];
  const subject = report({ findings: [stuckHolder({ story, growth })] });
  const [screen = '', below] = reportText(subject, { width: 100, colour: false }).split('\n--- Evidence\n');
  expect(screen).toContain('growing .=#.');
  expect(screen).not.toContain('###');
  expect(below).toContain('\n               3 h    20       21  -################\n');
  expect(below).toContain('\n  of 2 more it is not known when\n');
  const bars = reportText(subject, { width: 100, colour: false, utf8: true });
  expect(bars).toContain('growing ▁▄█.');
});
