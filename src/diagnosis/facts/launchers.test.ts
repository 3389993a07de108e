import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { type KernelImage, ref } from '../../../test/builders/image.ts';
import { Incident, type TestTask } from '../../../test/builders/incident.ts';
import { type Launch, launchersFact } from './launchers.ts';
import { tasksFact } from './tasks.ts';

function launchOf(incident: Incident, of: readonly TestTask[], damage?: (image: KernelImage) => void): Launch {
  const context = contextOf(incident.program(damage));
  const { byAddress } = context.use(tasksFact);
  return context
    .use(launchersFact)
    .of(of.map(({ address }) => byAddress.get(address)).filter((task) => task !== undefined));
}

const levelsOf = ({ levels }: Launch): readonly (readonly [string, number, number])[] =>
  levels.map(({ comm, tasks, started }) => [comm, tasks.length, started]);

describe('launchers', () => {
  it('asks level by level: 50 top by 50 timeout, these by one crond', () => {
    const incident = new Incident();
    const crond = incident.task('crond', { pid: 90 });
    const tops = incident
      .tasks(50, 'timeout', (i) => ({ pid: 249 - i, parent: crond }))
      .map((parent, i) => incident.task('top', { pid: 300 + i, parent }));
    const launch = launchOf(incident, tops);
    expect(levelsOf(launch)).toEqual([
      ['timeout', 50, 50],
      ['crond', 1, 50],
    ]);
    // Lowest pid first.
    expect(launch.levels[0]?.tasks[0]?.pid).toBe(200);
    expect(launch.orphans).toBeUndefined();
  });

  it('follows those who started most, and says how many', () => {
    const incident = new Incident();
    const shell = incident.task('bash', { pid: 80 });
    const crond = incident.task('crond', { pid: 90 });
    const tops = incident.tasks(10, 'top', (i) => ({ pid: 300 + i, parent: i < 3 ? shell : crond }));
    expect(levelsOf(launchOf(incident, tops))).toEqual([['crond', 1, 7]]);
  });

  it('counts processes, not their threads', () => {
    const incident = new Incident();
    const systemd = incident.task('supervisor', { pid: 80 });
    const java = incident.task('java', { pid: 100, parent: systemd });
    const threads = incident.tasks(5, 'worker', (i) => ({ pid: 101 + i, leader: java, parent: systemd }));
    expect(levelsOf(launchOf(incident, [java, ...threads]))).toEqual([['supervisor', 1, 1]]);
  });

  it('ends below init and at kernel threads', () => {
    const incident = new Incident();
    const kthreadd = incident.task('kthreadd', { pid: 2, kthread: true });
    const worker = incident.task('kworker', { pid: 30, kthread: true, parent: kthreadd });
    expect(launchOf(incident, [worker])).toEqual({ levels: [], orphans: undefined, unread: 0 });
    const daemon = incident.task('daemon', { pid: 40 });
    expect(levelsOf(launchOf(incident, [daemon]))).toEqual([]);
  });

  it.each(['3.10', '6.1'] as const)('tells orphans by what outlives their launcher, on %s', (era) => {
    const session = new Incident(era);
    const inSession = session.tasks(5, 'top', (i) => ({ pid: 300 + i, session: 77, group: 88 }));
    expect(launchOf(session, inSession).orphans).toEqual({
      count: 5,
      shared: { kind: 'session', id: '77', count: 5 },
    });
    const group = new Incident(era);
    const inGroup = group.tasks(5, 'top', (i) => ({ pid: 300 + i, group: 88 }));
    expect(launchOf(group, inGroup).orphans).toEqual({
      count: 5,
      shared: { kind: 'process group', id: '88', count: 5 },
    });
    const terminal = new Incident(era);
    const onTerminal = terminal.tasks(5, 'top', (i) => ({ pid: 300 + i, tty: 'pts0' }));
    expect(launchOf(terminal, onTerminal).orphans).toEqual({
      count: 5,
      shared: { kind: 'terminal', id: 'pts0', count: 5 },
    });
  });

  it('names what most orphans share, and nothing when each stands alone', () => {
    const incident = new Incident();
    const tops = incident.tasks(5, 'top', (i) => ({ pid: 300 + i, session: i === 0 ? 66 : 77 }));
    expect(launchOf(incident, tops).orphans?.shared).toEqual({ kind: 'session', id: '77', count: 4 });
    const alone = new Incident();
    const daemons = alone.tasks(3, 'daemon', (i) => ({ pid: 300 + i }));
    expect(launchOf(alone, daemons).orphans).toEqual({ count: 3, shared: undefined });
  });

  it('counts orphans beside those whose launcher lives', () => {
    const incident = new Incident();
    const crond = incident.task('crond', { pid: 90 });
    const tops = incident.tasks(6, 'top', (i) =>
      i < 4 ? { pid: 300 + i, parent: crond } : { pid: 300 + i, session: 7 },
    );
    const launch = launchOf(incident, tops);
    expect(levelsOf(launch)).toEqual([['crond', 1, 4]]);
    expect(launch.orphans).toEqual({ count: 2, shared: { kind: 'session', id: '7', count: 2 } });
  });

  it('does not run in circles of parents, which only a damaged dump has', () => {
    const incident = new Incident();
    const sh = incident.task('sh', { pid: 80 });
    const top = incident.task('top', { pid: 300, parent: sh });
    const own = (image: KernelImage): void => image.write('task80.real_parent', ref('task80'));
    expect(levelsOf(launchOf(incident, [top], own))).toEqual([['sh', 1, 1]]);
    const each = new Incident();
    const a = each.task('a', { pid: 80 });
    const b = each.task('b', { pid: 81, parent: a });
    const child = each.task('top', { pid: 300, parent: b });
    const circle = (image: KernelImage): void => image.write('task80.real_parent', ref('task81'));
    expect(levelsOf(launchOf(each, [child], circle))).toEqual([
      ['b', 1, 1],
      ['a', 1, 1],
    ]);
  });

  it('keeps what it has when the ids of a process cannot be read', () => {
    const incident = new Incident();
    const tops = incident.tasks(3, 'top', (i) => ({ pid: 300 + i, session: 77 }));
    const launch = launchOf(incident, tops, (image) => image.write('task301.signal', 0xffff880000000000n));
    expect(launch.orphans).toEqual({ count: 3, shared: { kind: 'session', id: '77', count: 2 } });
  });
});
