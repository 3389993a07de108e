import { expect, it } from 'vitest';
import { spark } from '../model/value.ts';
import { lineText } from './spans.ts';
import { barSparks, sparkline } from './sparkline.ts';
import { proseSpans } from './value-text.ts';

it('draws each number beside the largest, and shows that there is something', () => {
  expect(sparkline([1, 100, 200, 400, 800])).toBe('..:=#');
  expect(sparkline([0, 7])).toBe('.#');
  expect(sparkline([3, 3])).toBe('##');
  expect(sparkline([])).toBe('');
  expect(sparkline([0, 0])).toBe('..');
});

it('has as many bars where the locale has them, and leaves names alone', () => {
  const line = proseSpans([{ kind: 'name', value: '#' }, ' grew ', spark([1, 2, 3, 4, 5, 6, 7, 8])]);
  expect(lineText(line)).toBe('# grew .:-=+*%#');
  expect(lineText(barSparks(line))).toBe('# grew ▁▂▃▄▅▆▇█');
});
