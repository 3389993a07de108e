/** What is missing in a dump, and what a diagnosis loses by it, the gravest first. Empty for a sound dump. */
import { count, plural, prose, ratio } from '../model/value.ts';
import type { Missing } from '../model/dump-check.ts';
import { type Examination, type ListParts, type Part, type StackParts, type TaskParts, valueOf } from './examine.ts';

export function costs(found: Examination): readonly Missing[] {
  return [...kernelCosts(found), ...pageCosts(found), ...contentCosts(found)];
}

function kernelCosts({ kernel, contents }: Examination): Missing[] {
  if (kernel === undefined) {
    return [
      {
        id: 'kernel',
        what: ['the kernel was not found within the time of this check'],
        costs: ['the report searches longer, and may find it'],
      },
    ];
  }
  if ('problem' in kernel) {
    const what = [`the kernel: ${kernel.problem}`];
    return [{ id: 'kernel', what, costs: ['everything: of tasks, locks, memory and log nothing can be read'] }];
  }
  const { tables, problems } = kernel.value;
  const { kallsyms, btf, orc } = tables;
  const out: Missing[] = [];
  if (kallsyms === undefined) {
    const costs = ['names of functions and variables: no tasks, no stacks, no locks, no memory'];
    const why = reasonIn(problems, "the kernel's symbol table cannot be read: ");
    out.push({ id: 'symbols', what: [`the kernel's symbol table (kallsyms)${why}`], costs });
  }
  if (btf === undefined) {
    const rest = readsTasks(contents)
      ? 'no locks, no memory, no files; tasks and their stacks by layouts that were inferred'
      : 'no tasks, no locks, no memory; only the log';
    const what = [`types (BTF)${reasonIn(problems, 'BTF of the kernel cannot be read: ')}`];
    out.push({ id: 'types', what, costs: [`layouts of structures: ${rest}`] });
  }
  if (orc === undefined && kallsyms !== undefined) {
    const costs = ['no stacks: where tasks stand, and which lock each waits for, is not known'];
    const what = [`unwind tables (ORC)${reasonIn(problems, 'ORC of the kernel cannot be read: ')}`];
    out.push({ id: 'unwind-tables', what, costs });
  }
  for (const problem of problems) {
    if (!TOLD.test(problem)) out.push({ id: 'tables', what: [problem], costs: ['the answers that need it'] });
  }
  return out;
}

/** Problems of opening that are told above, with their costs. */
const TOLD = /^(no (BTF|ORC) |(BTF|ORC) of the kernel |the kernel's symbol table |without the kernel's types )/;

/** ' (why)', where opening said why. */
function reasonIn(problems: readonly string[], says: string): string {
  const found = problems.find((problem) => problem.startsWith(says));
  return found === undefined ? '' : ` (${found.slice(says.length)})`;
}

/** Even where there are no types. */
export function readsTasks(contents: Examination['contents']): boolean {
  return (valueOf(contents?.tasks)?.tasks ?? 0) > 0;
}

const LOSS = 'what lay in them is not in the report, which names what it could not read';

function pageCosts({ counts, sample }: Examination): Missing[] {
  const out: Missing[] = [];
  const known = counts !== undefined && 'value' in counts ? counts.value : undefined;
  if (known !== undefined && known.lost > 0) {
    const share = ratio(known.lost / (known.lost + known.inFile));
    const what = prose`${plural(known.lost, 'page')} (${share} of what should be in the file)`;
    out.push({ id: 'lost-pages', what, costs: [LOSS] });
  }
  if (sample.damaged > 0) {
    const of = sample.whole ? prose`all ${count(sample.read)}` : prose`${count(sample.read)} that were read`;
    const what = prose`${plural(sample.damaged, 'page')} of ${of}, whose data is damaged`;
    const more = sample.whole ? '' : '; there may be more, as not all were read';
    out.push({ id: 'damaged-pages', what, costs: [`${LOSS}${more}`] });
  }
  return out;
}

function contentCosts({ contents, kernel, registerNotes }: Examination): Missing[] {
  if (contents === undefined || kernel === undefined || 'problem' in kernel) return [];
  // Without types there is none of these; that is told already.
  const typed = kernel.value.tables.btf !== undefined;
  const registers = registerCosts(valueOf(contents.onlineCpus), registerNotes);
  const parts = typed
    ? [
        ...taskCosts(contents.tasks),
        ...stackCosts(valueOf(contents.stacks)),
        ...moduleCosts(contents.modules),
        ...registers,
      ]
    : [];
  return [...parts, ...logCosts(contents.log)];
}

function taskCosts(part: Part<TaskParts>): Missing[] {
  if (part === undefined) return [];
  const cost = 'they are not in the report: who holds a lock may be among them';
  if ('problem' in part) return [{ id: 'tasks', what: [`the tasks: ${part.problem}`], costs: [cost] }];
  const { tasks, expected, problems } = part.value;
  if (expected !== undefined && tasks < expected)
    return [{ id: 'tasks', what: prose`${plural(expected - tasks, 'task')} of ${count(expected)}`, costs: [cost] }];
  const [problem] = problems;
  if (problem === undefined) return [];
  return [{ id: 'tasks', what: [`some tasks: ${problem}`], costs: ['there may be tasks that are not in the report'] }];
}

function stackCosts(stacks: StackParts | undefined): Missing[] {
  if (stacks === undefined || stacks.whole === stacks.looked) return [];
  const what = prose`${plural(stacks.looked - stacks.whole, 'stack')} of ${plural(stacks.looked, 'blocked task')}`;
  return [{ id: 'stacks', what, costs: ['what these tasks wait for is not known'] }];
}

function moduleCosts(part: Part<ListParts>): Missing[] {
  const why = problemOf(part);
  if (why === undefined) return [];
  return [{ id: 'modules', what: [`modules: ${why}`], costs: ['code of modules has no names on stacks'] }];
}

function logCosts(part: Part<ListParts>): Missing[] {
  const why = problemOf(part);
  if (why === undefined) return [];
  const costs = ['what the kernel said last may be missing: panic, oops, OOM killer'];
  return [{ id: 'log', what: [`the log, or a part of it: ${why}`], costs }];
}

function registerCosts(online: number | undefined, notes: number): Missing[] {
  if (online === undefined || notes >= online) return [];
  const costs = ["the stacks of what ran there are not known, unless the kernel's own crash notes have them"];
  return [{ id: 'registers', what: prose`registers of ${plural(online - notes, 'CPU')} of ${count(online)}`, costs }];
}

function problemOf(part: Part<ListParts>): string | undefined {
  if (part === undefined) return undefined;
  return 'problem' in part ? part.problem : part.value.problem;
}
