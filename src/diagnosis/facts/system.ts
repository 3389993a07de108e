/** The dump and the machine: what the report shows about them, in the order to show. */
import { attempt } from '../../base/errors.ts';
import { cpus } from '../../kernel/cpus.ts';
import { loadAverages } from '../../kernel/loadavg.ts';
import { taint } from '../../kernel/taint.ts';
import { timekeeping } from '../../kernel/timekeeping.ts';
import { utsName } from '../../kernel/uts.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import type { KeyValue } from '../../model/report.ts';
import { byteCount, count, type Data, duration, name, prose, type Prose, wallClock } from '../../model/value.ts';
import { logFact } from './log.ts';
import { memoryData, memoryCountersFact } from './memory.ts';
import { tasksFact } from './tasks.ts';

/** By so many nanoseconds the clock of an idle machine may lag behind its log: then the log tells how long it was up. */
const TICKS = 1_000_000_000n;

type Say = (key: string, label: string, value: Prose, data: Data) => void;

export const systemFact = defineFact<readonly KeyValue[]>({
  id: 'system',
  derive(context) {
    const out: KeyValue[] = [];
    const say: Say = (key, label, value, data) => void out.push({ key, label, value, data });
    sayKernel(context, say);
    sayTimes(context, say);
    sayMachine(context, say);
    const { dump, foundBy } = context.program;
    const { description, format, dumpLevel } = dump;
    const shown = foundBy === undefined ? description : `${description}; ${foundBy}`;
    say('dump', 'Dump', [name(shown)], { description, format, dumpLevel, fileSize: dump.fileSize, foundBy });
    const { modules, problem } = context.program.modules;
    const missing = problem === undefined ? [] : [problem];
    context.cover({
      what: 'modules',
      read: modules.length,
      total: problem === undefined ? modules.length : undefined,
      missing,
    });
    return out;
  },
});

function sayKernel({ program }: FactContext, say: Say): void {
  const uts = attempt(() => utsName(program));
  const release = uts?.release ?? program.vmcoreinfo.osRelease;
  if (release !== undefined)
    say('kernel', 'Kernel', [name(release)], { release, version: uts?.version, machine: uts?.machine });
  if (uts !== undefined) say('host', 'Host', [name(uts.nodename)], uts.nodename);
  const tainted = attempt(() => taint(program));
  if (tainted !== undefined && tainted.mask !== 0n) {
    say('taint', 'Tainted', [tainted.letters], { letters: tainted.letters, mask: `0x${tainted.mask.toString(16)}` });
  }
}

function sayTimes({ program, use }: FactContext, say: Say): void {
  const time = timekeeping(program);
  const crash = time.crashTime.value;
  const wall = time.realtime.value;
  // VMCOREINFO's CRASHTIME is written at the crash itself; the kernel's clock stood still since its last tick.
  const seconds = crash !== undefined ? Number(crash) : wall === undefined ? undefined : Number(wall / 1_000_000_000n);
  if (seconds !== undefined) {
    const source = crash === undefined ? time.realtime.source : time.crashTime.source;
    say('time', 'At', [wallClock(seconds)], { time: wallClock(seconds), source });
  }
  // With its own source: jiffies count ticks, and may lag behind the clock.
  const { value: up, source } = time.uptime.boottime;
  if (up === undefined) return;
  const by = source === time.uptime.jiffies.source ? ' by jiffies' : '';
  const logged = attempt(() => use(logFact).records.at(-1)?.timeNs);
  const later = logged !== undefined && logged > up && logged - up < TICKS ? logged : undefined;
  say('uptime', 'Up', prose`${duration(later ?? up)}${by}`, {
    uptime: duration(up),
    source,
    lastLogged: later === undefined ? undefined : duration(later),
    hz: time.hz.value,
  });
}

function sayMachine({ program, use }: FactContext, say: Say): void {
  const online = attempt(() => cpus(program, 'online'));
  if (online !== undefined) say('cpus', 'CPUs', [count(online.length)], online.length);
  const load = attempt(() => loadAverages(program));
  if (load !== undefined) say('load', 'Load', [load.map((value) => value.toFixed(2)).join(', ')], load);
  const memory = use(memoryCountersFact);
  const total = memory.info.memTotal.value;
  if (total !== undefined) say('memory', 'Memory', [byteCount(total)], memoryData(memory));
  // Without types there are no tasks to count; the rest is still told.
  const table = attempt(() => use(tasksFact));
  if (table === undefined) return;
  const { read, complete } = table;
  const uninterruptible = table.tasks.filter((task) => !task.idle && task.state.uninterruptible).length;
  const least = complete ? '' : 'at least ';
  const known =
    complete || table.total === undefined
      ? prose`${least}${count(read)}`
      : prose`${count(read)} of ${count(table.total)} read`;
  say('tasks', 'Tasks', prose`${known}, ${least}${count(uninterruptible)} of them in uninterruptible sleep`, {
    total: table.total,
    read,
    uninterruptible,
  });
}
