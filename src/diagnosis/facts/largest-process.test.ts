import { expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { setFree } from '../../../test/builders/memory-counters.ts';
import { largestProcessFact } from './largest-process.ts';

const PAGE = 4096;

/** java (pid 50) with so many anonymous pages, and dd (pid 60) with few. */
function largest(pages: number) {
  const incident = new Incident();
  incident.task('java', { pid: 50 });
  incident.task('dd', { pid: 60 });
  const program = incident.program((image) => {
    setFree(image, 10 * 2 ** 20);
    image.write('mm50.rss_stat.count[1]', pages);
    image.write('mm60.rss_stat.count[1]', 10);
  });
  return contextOf(program).use(largestProcessFact);
}

it('is the one that the OOM killer would choose next, with what is its own', () => {
  expect(largest(50_000)).toMatchObject({ process: { task: { pid: 50 } }, own: 50_000 * PAGE });
});

it('is nobody where a counter says more than there is memory and swap', () => {
  expect(largest(2 ** 41)).toBeUndefined();
});
