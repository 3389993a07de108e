/** An examination in words: the facts, what is missing and what that costs, and the verdict. */
import { byteCount, count, type Data, name, plural, prose, type Prose, ratio, wallClock } from '../model/value.ts';
import type { DumpCheck, DumpVerdict, Missing } from '../model/dump-check.ts';
import type { KeyValue } from '../model/report.ts';
import { costs, readsTasks } from './costs.ts';
import { type Contents, type Examination, type KernelParts, valueOf } from './examine.ts';

export function describeDump(found: Examination): DumpCheck {
  const missing = costs(found);
  const verdict = verdictOf(found, missing);
  const facts = [...fileFacts(found), ...kernelFacts(found), ...pageFacts(found), ...contentFacts(found.contents)];
  return { verdict, summary: summaryOf(verdict, found, missing), facts, missing, problems: found.problems };
}

function verdictOf(found: Examination, missing: readonly Missing[]): DumpVerdict {
  const kernel = valueOf(found.kernel);
  // Not found within the time is not known.
  if (kernel === undefined) return found.kernel === undefined ? 'incomplete' : 'unusable';
  const log = valueOf(found.contents?.log);
  if (kernel.tables.btf === undefined && log?.number === 0 && !readsTasks(found.contents)) return 'unusable';
  return missing.length > 0 || found.problems.length > 0 ? 'incomplete' : 'sound';
}

function summaryOf(verdict: DumpVerdict, found: Examination, missing: readonly Missing[]): Prose {
  const { kernel } = found;
  if (verdict === 'sound') {
    const all = found.sample.whole && found.contents?.tasks !== undefined;
    return [`A sound dump${all ? '' : ', as far as it was looked at'}: nothing is missing that a diagnosis needs.`];
  }
  if (verdict === 'unusable') {
    const why =
      kernel !== undefined && 'problem' in kernel ? kernel.problem : 'neither its types nor its log are there';
    return [`A dump, but of no use for a diagnosis: ${why}.`];
  }
  if (kernel === undefined) return ['Not all is known: the kernel was not found within the time of this check.'];
  if (valueOf(kernel)?.tables.btf === undefined) {
    if (found.contents?.log === undefined || found.contents.tasks === undefined)
      return ['The kernel brings no types, and there was no time to look what can be read without.'];
    const [use, not] = readsTasks(found.contents)
      ? ['its log, its tasks and their stacks', 'locks and memory']
      : ['its log alone', 'tasks, locks and memory'];
    return [`Of use for ${use}: without types, ${not} cannot be read.`];
  }
  const [first] = missing;
  const more = missing.length > 1 ? prose`, and ${plural(missing.length - 1, 'other thing')}` : '';
  const what = first === undefined ? ['the file says that something is wrong with it'] : prose`without ${first.what}`;
  return prose`Usable, but incomplete: ${what}${more}.`;
}

const fact = (key: string, label: string, value: Prose, data: Data): KeyValue => ({ key, label, value, data });

/** makedumpfile's bits of a dump level. */
const LEVEL_BITS: readonly (readonly [number, string])[] = [
  [1, 'pages of zeros'],
  [2, 'page cache'],
  [4, 'page cache of private mappings'],
  [8, 'memory of programs'],
  [16, 'free pages'],
];

function excludedBy(level: number): readonly string[] {
  return LEVEL_BITS.filter(([bit]) => (level & bit) !== 0).map(([, what]) => what);
}

const SLIM = 'kwhy slim';

function creatorOf({ dump, notes, kernel }: Examination): string {
  const owners = new Set([...notes.keys()].map((key) => key.slice(0, key.lastIndexOf('/'))));
  if (owners.has('KWHY')) return SLIM;
  if (owners.has('QEMU')) return 'QEMU or libvirt, from outside of the guest';
  if (dump.format === 'kdump') return 'makedumpfile';
  if (dump.format === 'lime') return 'LiME or AVML, of a running machine';
  if (dump.format === 'raw') return 'unknown: raw memory';
  // The kernel of kdump appends the time of the crash to VMCOREINFO.
  return valueOf(kernel)?.crashTime === undefined ? 'unknown' : 'kdump: /proc/vmcore, or makedumpfile -E';
}

function fileFacts(found: Examination): KeyValue[] {
  const { dump, files } = found;
  const { description, format, dumpLevel, fileSize, machine, pageSize } = dump;
  const creator = creatorOf(found);
  const parts = files.length > 1 ? prose`, ${plural(files.length, 'file')}` : '';
  const left = dumpLevel === undefined ? undefined : excludedBy(dumpLevel);
  const none = left?.length === 0 || valueOf(found.counts)?.excluded === 0;
  const leftOut =
    left === undefined
      ? dump.format === 'elf'
        ? 'not told: the format does not tell a page that was left out from one of zeros'
        : 'nothing: the format keeps all memory'
      : none
        ? `nothing (dump level ${dumpLevel})`
        : `${left.join(', ')} (dump level ${dumpLevel})${creator === SLIM ? ', and of the kernel what a report does not read' : ''}`;
  return [
    fact('file', 'File', prose`${[name(files.map(({ path }) => path).join(', '))]}, ${byteCount(fileSize)}${parts}`, {
      paths: files.map(({ path }) => name(path)),
      bytes: byteCount(fileSize),
    }),
    fact('format', 'Format', [description], { format, description }),
    fact('creator', 'Written by', [creator], creator),
    fact('leftOut', 'Left out', [leftOut], { dumpLevel, kinds: left }),
    fact('machine', 'Machine', machineText(found), {
      architecture: machine,
      pageSize: byteCount(pageSize),
      pagingLevels: valueOf(found.kernel)?.pagingLevels,
      onlineCpus: valueOf(found.contents?.onlineCpus),
    }),
  ];
}

function machineText({ dump, kernel, contents }: Examination): Prose {
  const levels = valueOf(kernel)?.pagingLevels;
  const online = valueOf(contents?.onlineCpus);
  return prose`${dump.machine}, pages of ${byteCount(dump.pageSize)}${levels === undefined ? '' : `, ${levels}-level page tables`}${online === undefined ? '' : prose`, ${plural(online, 'CPU')} online`}`;
}

function kernelFacts({ kernel: part, dump }: Examination): KeyValue[] {
  const kernel = valueOf(part);
  const note = dump.vmcoreinfo === undefined ? 'no note' : 'a note is there';
  if (kernel === undefined) {
    const why = part !== undefined && 'problem' in part ? part.problem : 'not found within the time of this check';
    return [
      fact('kernel', 'Kernel', [why], undefined),
      fact('vmcoreinfo', 'VMCOREINFO', [note], dump.vmcoreinfo !== undefined),
    ];
  }
  const { release, buildId, banner, crashTime } = kernel;
  const crashed =
    crashTime === undefined ? 'not noted: no crash kernel wrote this file' : prose`${wallClock(crashTime)}`;
  return [
    fact('kernel', 'Kernel', [release === undefined ? 'release not told' : name(release)], {
      release: release === undefined ? undefined : name(release),
      banner: banner === undefined ? undefined : name(banner),
      buildId,
    }),
    ...(banner === undefined ? [] : [fact('banner', 'Banner', [name(banner)], undefined)]),
    fact(
      'crashTime',
      'Crashed',
      typeof crashed === 'string' ? [crashed] : crashed,
      crashTime === undefined ? undefined : wallClock(crashTime),
    ),
    fact('vmcoreinfo', 'VMCOREINFO', [kernel.foundBy === undefined ? note : `${note}; ${kernel.foundBy}`], {
      note: dump.vmcoreinfo !== undefined,
      foundBy: kernel.foundBy,
    }),
    tablesFact(kernel),
  ];
}

function tablesFact({ tables: { kallsyms, btf, orc } }: KernelParts): KeyValue {
  const symbols = kallsyms === undefined ? 'no symbols' : prose`${count(kallsyms.count)} symbols (kallsyms)`;
  const types = btf === undefined ? 'no types' : 'types (BTF)';
  const unwind = orc === undefined ? 'no unwind tables' : `unwind tables (ORC version ${orc.version})`;
  return fact('tables', 'Brings along', prose`${symbols}, ${types}, ${unwind}`, {
    symbols: kallsyms === undefined ? 0 : count(kallsyms.count),
    types: btf !== undefined,
    unwindTables: orc !== undefined,
  });
}

function pageFacts({ counts: part, dump, sample, notes, registerNotes }: Examination): KeyValue[] {
  const counts = valueOf(part);
  const { maxPfn } = dump;
  const absent =
    counts?.excluded === undefined ? undefined : Math.max(0, maxPfn - counts.inFile - counts.excluded - counts.lost);
  const rest = counts?.excluded === undefined ? '' : prose`, ${count(counts.excluded)} left out`;
  const holes = absent === undefined ? '' : prose`, ${count(absent)} no memory`;
  const numbers =
    counts === undefined
      ? prose`${count(maxPfn)} page frames; not counted in the time of this check`
      : prose`${count(maxPfn)} page frames: ${count(counts.inFile)} in the file, ${count(counts.lost)} lost${rest}${holes}`;
  const { read, damaged } = sample;
  const of = sample.whole ? 'all ' : counts === undefined ? '' : prose`${count(read)} of `;
  const total = sample.whole ? read : (counts?.inFile ?? read);
  const bad =
    damaged === 0 ? 'none is damaged' : prose`${count(damaged)} damaged, ${ratio(damaged / Math.max(1, read))} of them`;
  const owners = [...notes].map(([key, n]) => `${noteName(key)}${n > 1 ? ` ${n} times` : ''}`);
  return [
    fact('pages', 'Pages', numbers, {
      frames: count(maxPfn),
      inFile: counts === undefined ? undefined : count(counts.inFile),
      excluded: counts?.excluded === undefined ? undefined : count(counts.excluded),
      lost: counts === undefined ? undefined : count(counts.lost),
      absent: absent === undefined ? undefined : count(absent),
    }),
    fact('sample', 'Read', prose`${of}${plural(total, 'page')} of the file, from all over it: ${bad}`, {
      read: count(read),
      damaged: count(damaged),
      firstDamaged: sample.firstDamaged,
      whole: sample.whole,
    }),
    fact('notes', 'Notes', [owners.length === 0 ? 'none' : owners.join(', ')], {
      registers: registerNotes,
      kinds: [...notes].map(([kind, n]) => ({ kind: name(kind), number: n })),
    }),
  ];
}

function noteName(key: string): string {
  return key === 'CORE/1' ? 'registers of a CPU (NT_PRSTATUS)' : key.replace(/\/0$/, '').replace('/', ' type ');
}

/** How much of what a report is made of is there. */
function contentFacts(contents: Contents | undefined): KeyValue[] {
  if (contents === undefined) return [];
  const [tasks, stacks, log, modules] = [
    valueOf(contents.tasks),
    valueOf(contents.stacks),
    valueOf(contents.log),
    valueOf(contents.modules),
  ];
  const words: Prose[] = [];
  if (tasks !== undefined) {
    const of = tasks.expected === undefined ? '' : prose` of ${count(tasks.expected)}`;
    words.push(prose`${count(tasks.tasks)}${of} tasks`);
  }
  if (stacks !== undefined && stacks.blocked > 0) {
    const seen = stacks.looked < stacks.blocked ? prose` (of ${count(stacks.blocked)}; no time for more)` : '';
    words.push(prose`${count(stacks.whole)} of ${plural(stacks.looked, 'stack')} of blocked tasks${seen}`);
  }
  if (log !== undefined) words.push(plural(log.number, 'log record'));
  if (modules !== undefined) words.push(plural(modules.number, 'module'));
  if (contents.tasks === undefined) {
    const number = contents.threads === undefined ? '' : prose`${count(contents.threads)} `;
    words.push(prose`${number}tasks and their stacks not in the time of this check`);
  }
  return [
    fact(
      'contents',
      'Readable',
      words.flatMap((each, i) => (i === 0 ? each : [', ', ...each])),
      {
        tasks: tasks === undefined ? undefined : count(tasks.tasks),
        expectedTasks: contents.threads === undefined ? undefined : count(contents.threads),
        blockedTasks: stacks === undefined ? undefined : count(stacks.blocked),
        stacks: stacks === undefined ? undefined : { looked: count(stacks.looked), whole: count(stacks.whole) },
        logRecords: log === undefined ? undefined : count(log.number),
        modules: modules === undefined ? undefined : count(modules.number),
      },
    ),
  ];
}
