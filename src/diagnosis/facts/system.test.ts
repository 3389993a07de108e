import { describe, expect, it } from 'vitest';
import { contextOf, type TestContext } from '../../../test/builders/facts.ts';
import { type KernelImage, struct } from '../../../test/builders/image.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { textOf } from '../../../test/builders/text.ts';
import type { KeyValue } from '../../model/report.ts';
import { systemFact } from './system.ts';

function told(incident: Incident, damage?: (image: KernelImage) => void): TestContext {
  return contextOf(incident.program(damage));
}

const rows = (context: TestContext): { readonly [key: string]: string } =>
  Object.fromEntries(context.use(systemFact).map(({ key, value }) => [key, textOf(value)]));

const row = (context: TestContext, key: string): KeyValue | undefined =>
  context.use(systemFact).find((each) => each.key === key);

/** An Incident that also knows its name, load and taints. */
function named(hostname = 'db1'): Incident {
  const incident = new Incident();
  const { image } = incident;
  image.struct('uts_namespace', {
    name: struct({
      sysname: 'char[65]',
      nodename: 'char[65]',
      release: 'char[65]',
      version: 'char[65]',
      machine: 'char[65]',
    }),
  });
  image.global('init_uts_ns', 'struct uts_namespace', {
    'name.sysname': 'Linux',
    'name.nodename': hostname,
    'name.release': '6.1.0-9',
    'name.version': '#1 SMP',
    'name.machine': 'x86_64',
  });
  image.global('avenrun', 'unsigned long[3]', [4.5 * 2048, 2048, 0]);
  image.global('tainted_mask', 'unsigned long', 1n << 12n);
  return incident;
}

describe('system', () => {
  it('says what machine it was, in the order to show', () => {
    const incident = named();
    incident.image.vmcoreinfo('CRASHTIME', 1_795_424_400);
    incident.task('dd', { pid: 20, state: 'D' });
    const context = told(incident);
    expect(context.use(systemFact).map(({ key }) => key)).toEqual([
      'kernel',
      'host',
      'taint',
      'time',
      'cpus',
      'load',
      'memory',
      'tasks',
      'dump',
    ]);
    expect(rows(context)).toMatchObject({
      kernel: '6.1.0-9',
      host: 'db1',
      taint: 'O',
      time: '1795424400',
      cpus: '2',
      load: '4.50, 1.00, 0.00',
      memory: String(16 * 2 ** 30),
      tasks: '2, 1 of them in uninterruptible sleep',
      dump: 'hand-built image',
    });
    expect(row(context, 'kernel')?.data).toEqual({ release: '6.1.0-9', version: '#1 SMP', machine: 'x86_64' });
    expect(row(context, 'tasks')?.data).toEqual({ total: 2, read: 2, uninterruptible: 1 });
    expect(row(context, 'load')?.data).toEqual([4.5, 1, 0]);
    expect(context.coverage).toContainEqual({ what: 'modules', read: 0, total: 0, missing: [] });
  });

  it('leaves out what this dump does not tell, and takes the release from VMCOREINFO then', () => {
    const context = told(new Incident());
    expect(rows(context)).toMatchObject({ kernel: '6.1.0-test' });
    for (const key of ['host', 'taint', 'time', 'uptime', 'load']) expect(row(context, key)).toBeUndefined();
  });

  it('does not pass off the tasks that could be read as all there were', () => {
    const incident = named();
    incident.task('dd', { pid: 20, state: 'D' });
    const some = told(incident, (image) => image.write('nr_threads', 5));
    expect(rows(some).tasks).toBe('2 of 5 read, at least 1 of them in uninterruptible sleep');
    expect(row(some, 'tasks')?.data).toEqual({ total: 5, read: 2, uninterruptible: 1 });
    const unknown = told(incident, (image) => {
      image.write('nr_threads', -1);
      image.write('task1.tasks.next', 0);
    });
    expect(rows(unknown).tasks).toBe('at least 2, at least 1 of them in uninterruptible sleep');
    expect(row(unknown, 'tasks')?.data).toEqual({ total: undefined, read: 2, uninterruptible: 1 });
  });

  it('says when the uptime is counted in jiffies, for want of a clock', () => {
    const incident = named();
    incident.image.global('jiffies_64', 'u64', 0x1_0000_0000n - 300n * 250n + 10n * 250n);
    incident.image.global('tick_nsec', 'unsigned long', 4_000_000);
    expect(rows(told(incident)).uptime).toBe('10 s by jiffies');
  });

  it('was up for as long as it wrote into its log, where its clock lags by some ticks', () => {
    const up = (logged: number): KeyValue | undefined => {
      const incident = named();
      incident.image.global('jiffies_64', 'u64', 0x1_0000_0000n - 300n * 250n + 10n * 250n);
      incident.image.global('tick_nsec', 'unsigned long', 4_000_000);
      placeLog(incident.image, [`<6>[${logged.toFixed(6).padStart(12)}] sysrq: Trigger a crash`]);
      return row(told(incident), 'uptime');
    };
    expect(textOf(up(10.06)?.value)).toBe('10.06 s by jiffies');
    expect(up(10.06)?.data).toMatchObject({ uptime: { ns: 10_000_000_000n }, lastLogged: { ns: 10_060_000_000n } });
    // Before it, or so far ahead that one of the two clocks is wrong.
    for (const logged of [9.5, 11.5]) expect(textOf(up(logged)?.value)).toBe('10 s by jiffies');
  });

  it('says nothing of taints where there are none', () => {
    const context = told(named(), (image) => image.write('tainted_mask', 0));
    expect(row(context, 'taint')).toBeUndefined();
  });

  it('keeps a hostile name of the host as data', () => {
    const context = told(named('\u001b[2Jhost'));
    expect(row(context, 'host')?.value).toEqual([{ kind: 'name', value: '\u001b[2Jhost' }]);
  });

  it('tells the rest when there are no tasks, and when the modules break off', () => {
    const context = told(named(), (image) => {
      image.symbols.splice(
        image.symbols.findIndex(({ name }) => name === 'init_task'),
        1,
      );
      image.write('modules.next', 0x1000);
    });
    expect(rows(context)).toMatchObject({ host: 'db1', dump: 'hand-built image' });
    expect(row(context, 'tasks')).toBeUndefined();
    const modules = context.coverage.find(({ what }) => what === 'modules');
    expect(modules).toMatchObject({ read: 0, total: undefined });
    expect(modules?.missing).toHaveLength(1);
  });
});
