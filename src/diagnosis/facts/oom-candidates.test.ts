import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { Incident } from '../../../test/builders/incident.ts';
import type { KernelImage } from '../../../test/builders/image.ts';
import { oomCandidatesFact } from './oom-candidates.ts';

const SKIP = 1n << 21n;

/** java is largest and protected, mysqld second and nearly protected, sshd small, init and a kernel thread beside. */
function candidates(change: (image: KernelImage) => void = () => {}) {
  const incident = new Incident();
  const java = incident.task('java', { pid: 50 });
  incident.tasks(2, 'GC', (i) => ({ pid: 51 + i, leader: java }));
  incident.task('mysqld', { pid: 60 });
  incident.task('sshd', { pid: 70 });
  incident.task('kswapd0', { pid: 80, kthread: true });
  const program = incident.program((image) => {
    image.write('mm50.rss_stat.count[1]', 50_000);
    image.write('signal50.oom_score_adj', -1000);
    image.write('mm60.rss_stat.count[1]', 30_000);
    image.write('mm60.pgtables_bytes.counter', 4096 * 70);
    image.write('mm70.rss_stat.count[1]', 500);
    change(image);
  });
  const context = contextOf(program);
  return { ...context.use(oomCandidatesFact), coverage: context.coverage.at(-1) };
}

describe('whom the OOM killer would choose', () => {
  it('the largest that may be killed; the largest of all is exempt', () => {
    const { killable, exempt, victims, next, waitsFor, partial, totalPages, coverage } = candidates();
    expect(totalPages).toBe(4_194_304);
    expect(killable.map(({ task, standing }) => [task.comm, standing.badness])).toEqual([
      ['mysqld', 30_070],
      ['sshd', 500],
    ]);
    expect(exempt.map(({ task, standing }) => [task.comm, standing.exemption])).toEqual([
      ['java', 'adj'],
      ['init', 'init'],
    ]);
    expect(exempt[0]?.threads.map(({ pid }) => pid)).toEqual([50, 51, 52]);
    expect(next?.task.comm).toBe('mysqld');
    expect([victims, waitsFor, partial]).toEqual([[], undefined, false]);
    expect(coverage).toMatchObject({ read: 4, total: 4 });
  });

  it('-998 protects from all smaller ones, and -1000 from everything', () => {
    const { killable, next } = candidates((image) => image.write('signal60.oom_score_adj', -998));
    expect(killable.map(({ task, standing }) => [task.comm, standing.badness])).toEqual([
      ['sshd', 500],
      ['mysqld', 30_070 - 998 * 4194],
    ]);
    expect(next?.task.comm).toBe('sshd');
  });

  it('an earlier victim that has not ended is waited for', () => {
    const { waitsFor, next, victims } = candidates((image) => image.write('signal70.oom_mm', image.address('mm70')));
    expect([waitsFor?.task.comm, next, victims.length]).toEqual(['sshd', undefined, 1]);
  });

  it('a victim that was given up is passed over', () => {
    const { waitsFor, next, victims, exempt } = candidates((image) => {
      image.write('signal60.oom_mm', image.address('mm60'));
      image.write('mm60.flags', SKIP);
    });
    expect([waitsFor, next?.task.comm, victims.length]).toEqual([undefined, 'sshd', 1]);
    expect(exempt.map(({ task, standing }) => [task.comm, standing.exemption])).toContainEqual(['mysqld', 'skip']);
  });

  it('says that one is missing, which might have been the next', () => {
    const { partial, next, coverage } = candidates((image) => image.write('task60.signal', 0xffff880000000000n));
    expect([partial, next?.task.comm]).toEqual([true, 'sshd']);
    expect(coverage).toMatchObject({ read: 3, total: 4 });
  });
});
