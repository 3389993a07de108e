import { expect, it } from 'vitest';
import { LayoutChoices, PROVEN } from './layouts.ts';

it('keeps each choice once and tells those that no real dump has proven', () => {
  const layouts = new LayoutChoices();
  layouts.chose('struct mutex', 'owner and flags in one word', PROVEN);
  layouts.chose('struct rw_semaphore', 'biased count', []);
  layouts.chose('struct rw_semaphore', 'biased count', []);
  expect(layouts.all).toHaveLength(2);
  expect(layouts.unproven).toEqual([{ part: 'struct rw_semaphore', layout: 'biased count', provenOn: [] }]);
});
