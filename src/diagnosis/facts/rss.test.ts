import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { rssFact } from './rss.ts';
import { tasksFact } from './tasks.ts';

const PAGE = 4096;

describe('resident memory', () => {
  it('counts each address space once and sums by name, largest first', () => {
    const incident = new Incident();
    const java = incident.task('java', { pid: 50 });
    incident.tasks(3, 'GC', (i) => ({ pid: 51 + i, leader: java }));
    incident.tasks(2, 'postgres', (i) => ({ pid: 60 + i }));
    incident.task('kworker', { pid: 70, kthread: true });
    incident.task('zombie', { pid: 80, state: 'Z' });
    const program = incident.program((image) => {
      image.write('mm50.rss_stat.count[1]', 1000);
      image.write('mm60.rss_stat.count[0]', 300);
      image.write('mm61.rss_stat.count[0]', 400);
      // What a thread has not added yet.
      image.write('task52.rss_stat.count[1]', 5);
    });
    const context = contextOf(program);
    const table = context.use(rssFact);
    const { groups, total } = table;
    expect(groups.map(({ comm, processes, bytes, largest }) => [comm, processes, bytes / PAGE, largest.pid])).toEqual([
      ['java', 1, 1005, 50],
      ['postgres', 2, 900, 61],
      ['init', 1, 100, 1],
    ]);
    expect(total).toBe((1005 + 900 + 100) * PAGE);
    const some = context
      .use(tasksFact)
      .tasks.filter(({ comm }) => comm === 'GC' || comm === 'kworker' || comm === 'zombie');
    expect(table.of(some)).toBe(1005 * PAGE);
    expect(context.coverage.at(-1)).toEqual({ what: 'address spaces', read: 4, total: 4, missing: [] });
  });

  it('says which could not be read', () => {
    const incident = new Incident();
    incident.tasks(3, 'sh', (i) => ({ pid: 50 + i }));
    const context = contextOf(
      incident.program((image) => {
        image.write('task51.mm', 0xffff880000000000n);
        image.write('mm52.rss_stat.count[1]', -(2n ** 60n));
      }),
    );
    expect(context.use(rssFact).groups).toMatchObject([{ comm: 'init' }, { comm: 'sh', processes: 1 }]);
    expect(context.coverage.at(-1)).toMatchObject({ what: 'address spaces', read: 2, total: 4 });
    expect(context.coverage.at(-1)?.missing).toHaveLength(1);
  });
});
