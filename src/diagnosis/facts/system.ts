/** The dump and the machine: what the report shows about them, in the order to show. */
import { attempt } from '../../base/errors.ts';
import { cpus } from '../../kernel/cpus.ts';
import { defineFact } from '../../model/diagnosis.ts';
import type { KeyValue } from '../../model/report.ts';
import { count, name, plural, prose, type Data, type Prose } from '../../model/value.ts';
import { tasksFact } from './tasks.ts';

export const systemFact = defineFact<readonly KeyValue[]>({
  id: 'system',
  derive({ program, use, cover }) {
    const out: KeyValue[] = [];
    const say = (key: string, label: string, value: Prose, data: Data): void => {
      out.push({ key, label, value, data });
    };
    const release = program.vmcoreinfo.osRelease;
    if (release !== undefined) say('kernel', 'Kernel', [name(release)], release);
    const online = attempt(() => cpus(program, 'online'));
    if (online !== undefined) say('cpus', 'CPUs', prose`${plural(online.length, 'CPU')}`, online.length);
    const { tasks } = use(tasksFact);
    const real = tasks.filter((task) => !task.idle);
    const blocked = real.filter((task) => task.state.uninterruptible).length;
    say('tasks', 'Tasks', prose`${count(real.length)}, ${count(blocked)} in uninterruptible sleep`, {
      total: real.length,
      uninterruptible: blocked,
    });
    say('dump', 'Dump', [name(program.dump.description)], {
      description: program.dump.description,
      format: program.dump.format,
      dumpLevel: program.dump.dumpLevel,
    });
    const { modules, problem } = program.modules;
    cover({
      what: 'modules',
      read: modules.length,
      total: problem === undefined ? modules.length : undefined,
      missing: problem === undefined ? [] : [problem],
    });
    return out;
  },
});
