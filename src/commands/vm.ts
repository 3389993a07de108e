/** `vm`: the address spaces of tasks: their mappings, and with -p what is behind each page. */
import { add, isKernel, parseAddress, type VirtAddr } from '../base/address.ts';
import { attempt, FaultError, UsageError } from '../base/errors.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import { walkTables } from '../kernel/page-tables.ts';
import { rssOf } from '../kernel/mm.ts';
import type { Task } from '../kernel/sched.ts';
import { vmFlags } from '../kernel/vm-flags.ts';
import { type Vma, vmasOf } from '../kernel/vma.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { address, byteCount, type Data, name } from '../model/value.ts';
import { hex16 } from '../shell/format.ts';
import { absentText, centred, VMA_HEADER, vmaFile, vmaLine } from '../shell/page-tables.ts';
import { perTask, type TaskView } from '../shell/per-task.ts';
import { structData, structLines, structSpec } from '../shell/struct-view.ts';
import { type TaskMemory, taskMemoryFact } from '../shell/task-memory.ts';

/** Pages of one mapping that are shown; the whole address space may have 2^35. */
const MAX_PAGES = 1 << 22;

export default defineCommand({
  name: 'vm',
  summary: 'the address space of a task',
  description: [
    "A file that was removed ends with ' (deleted)'. With -p, pages that are mapped but not in the dump are counted.",
  ],
  options: [
    { flag: 'p', summary: 'each page: where it is, or what is in its place' },
    { flag: 'P', value: 'vma', kind: 'address', summary: 'the pages of one mapping' },
    { flag: 'm', summary: 'the mm_struct' },
    { flag: 'v', summary: 'all vm_area_structs' },
    { flag: 'M', value: 'mm', kind: 'address', summary: 'of this mm_struct: of a task that has given up its own' },
    { flag: 'f', value: 'flags', kind: 'number', summary: 'what these vm_flags (in hex) mean, instead of a task' },
    { flag: 'R', value: 'reference', kind: 'text', summary: 'only the mappings of this file, or with this address' },
    { flag: 'x', summary: 'numbers of -m and -v in hex' },
    { flag: 'd', summary: 'numbers of -m and -v in decimal' },
  ],
  arguments: [{ name: 'pid | task | command', kinds: ['task'], optional: true, repeated: true }],
  examples: [
    { line: 'vm 96', what: 'the mappings of a task' },
    { line: 'vm -p 96', what: 'with the physical address of each page' },
    { line: 'vm -f 8000075', what: 'what the flags of a mapping mean' },
    { line: 'foreach user vm -R deleted', what: 'who has removed files mapped' },
  ],
  run(context, args) {
    const radix = args.has('x') ? 16 : args.has('d') ? 10 : context.session.radix;
    const single = args.value('P');
    const one = single === undefined ? undefined : parseAddress(single);
    if (single !== undefined && one === undefined)
      throw new UsageError(`-P '${single}': must be the address of a vm_area_struct`);
    const reference = args.value('R');
    const bits = args.value('f');
    if (bits !== undefined) return flagNames(context, bits);
    const other = args.value('M');
    const mm = other === undefined ? undefined : parseAddress(other);
    if (other !== undefined && (mm === undefined || !isKernel(mm)))
      throw new UsageError(`-M '${other}': must be the address of an mm_struct`);
    return perTask(context, args, (given) => {
      const task = mm === undefined ? given : { ...given, mm, kthread: false };
      if (args.has('m')) return structs(context, task, 'mm_struct', radix);
      if (args.has('v')) return structs(context, task, 'vm_area_struct', radix);
      return mappings(context, task, { pages: args.has('p') || one !== undefined, one, reference });
    });
  },
});

interface Wanted {
  readonly pages: boolean;
  readonly one: VirtAddr | undefined;
  readonly reference: string | undefined;
}

function vmasOfTask({ program, problem }: CommandContext, task: Task): readonly Vma[] {
  if (task.mm === undefined || task.kthread) return [];
  const { vmas, problem: damage } = vmasOf(program, task.mm);
  if (damage !== undefined) problem(`mappings of ${task.comm} (pid ${task.pid}): ${damage}`);
  return vmas;
}

function structs(context: CommandContext, task: Task, name: string, radix: 10 | 16): TaskView {
  const spec = structSpec(context.program, name, ['struct']);
  const mm = task.kthread ? undefined : task.mm;
  const at = name === 'mm_struct' ? (mm === undefined ? [] : [mm]) : vmasOfTask(context, task).map((vma) => vma.vma);
  const what = `${spec.name} of pid ${task.pid}`;
  return {
    lines: at.flatMap((each) => {
      context.budget.check();
      return structLines(spec, each, { radix, context, what });
    }),
    data: { [name]: at.map((each) => structData(context.program, spec, each)) },
  };
}

function mappings(context: CommandContext, task: Task, { pages, one, reference }: Wanted): TaskView | undefined {
  const { program } = context;
  const all = vmasOfTask(context, task);
  const vmas = all.filter((vma) => (one === undefined || vma.vma === one) && refersTo(context, vma, reference));
  if (reference !== undefined && vmas.length === 0) return undefined;
  if (one !== undefined && vmas.length === 0)
    throw new UsageError(`${task.comm} (pid ${task.pid}) has no mapping at ${hex16(one)}`);
  const mm = task.kthread ? undefined : task.mm;
  const pgd = mm === undefined ? undefined : program.field('struct mm_struct', 'pgd').pointer(mm);
  const memory = mm === undefined ? context.use(taskMemoryFact).of(task) : memoryOf(context, task, mm);
  function* lines(): Generator<TextLine> {
    const missing: Missing = { tables: 0, pages: 0 };
    if (one === undefined) {
      yield [{ text: '       MM               PGD          RSS    TOTAL_VM', style: 'heading' }];
      const kib = (bytes: number | undefined): string => (bytes === undefined ? '?' : `${Math.floor(bytes / 1024)}k`);
      const pointer = (at: VirtAddr | undefined): string => (at === undefined ? centred('0', 16) : hex16(at));
      yield [
        { text: `${pointer(mm)}  ${pointer(pgd)}`, style: 'address' },
        `  ${centred(kib(memory.resident), 6)}  ${centred(kib(memory.virtual), 8)}`,
      ];
    }
    for (const [i, vma] of vmas.entries()) {
      if (i === 0 || pages) yield [{ text: VMA_HEADER, style: 'heading' }];
      yield vmaLine(program, vma);
      if (pages && pgd !== undefined) yield* pageLines(context, vma, pgd, missing);
    }
    tell(context, task, missing);
  }
  return {
    lines: lines(),
    data: {
      mm: mm === undefined ? undefined : address(mm),
      pgd: pgd === undefined ? undefined : address(pgd),
      resident: memory.resident === undefined ? undefined : byteCount(memory.resident),
      virtual: memory.virtual === undefined ? undefined : byteCount(memory.virtual),
      mappings: vmas.map((vma) => dataOf(context, vma, pages ? pgd : undefined)),
    },
  };
}

/** Of a space that tasks have, or that `-M` named. */
function memoryOf(context: CommandContext, task: Task, mm: VirtAddr): TaskMemory {
  const { program } = context;
  if (context.use(tasksFact).tasks.some((each) => each.mm === mm)) return context.use(taskMemoryFact).of(task);
  const pages = attempt(() => program.field('struct mm_struct', 'total_vm').number(mm));
  return {
    virtual: pages === undefined ? undefined : pages * program.pageSize,
    resident: attempt(() => rssOf(program, mm, []).total * program.pageSize),
  };
}

/** `75: (READ|EXEC|MAYREAD|MAYWRITE|MAYEXEC)` */
function flagNames({ program, problem }: CommandContext, text: string): Shape {
  const value = /^(?:0x)?[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text.replace(/^0x/i, '')}`) : undefined;
  if (value === undefined) throw new UsageError(`-f '${text}': must be the flags of a mapping, in hex`);
  const { flags, source } = vmFlags(program);
  if (source === 'fixed')
    problem('vm_flags: the kernel has no names of its own in the dump; some bits are shown as numbers');
  const names = flags.filter(({ mask }) => (value & mask) === mask).map(({ name: label }) => label);
  const rest = flags.reduce((left, { mask }) => ((value & mask) === mask ? left & ~mask : left), value);
  const all = [...names, ...(rest === 0n ? [] : [`0x${rest.toString(16)}`])];
  return {
    shape: 'lines',
    lines: [`${value.toString(16)}: (${all.join('|')})`],
    data: () => ({ flags: `0x${value.toString(16)}`, names, unknown: `0x${rest.toString(16)}` }),
  };
}

function refersTo({ program }: CommandContext, vma: Vma, reference: string | undefined): boolean {
  if (reference === undefined || vmaFile(program, vma).includes(reference)) return true;
  const at = parseAddress(reference);
  return at !== undefined && (vma.vma === at || (vma.start <= at && at < vma.end));
}

interface Page {
  readonly at: VirtAddr;
  readonly physical: bigint | undefined;
  /** What stands for a page that is not mapped. */
  readonly text: string;
}

/** What the dump does not have: pages whose tables are gone, and pages that are mapped. */
interface Missing {
  tables: number;
  pages: number;
}

function tell({ problem }: CommandContext, { comm, pid }: Task, missing: Missing): void {
  if (missing.tables > 0) problem(`${comm} (pid ${pid}): the tables of ${missing.tables} pages are not in the dump`);
  if (missing.pages > 0) problem(`${comm} (pid ${pid}): ${missing.pages} mapped pages are not in the dump`);
}

function* pagesOf(context: CommandContext, vma: Vma, pgd: VirtAddr, missing: Missing): Generator<Page> {
  const { program, budget, problem } = context;
  let n = 0;
  for (let at = vma.start; at < vma.end; at = add(at, program.pageSize)) {
    budget.check();
    if (n++ >= MAX_PAGES) {
      problem(`mapping at ${hex16(vma.start)}: only its first ${MAX_PAGES} pages`);
      break;
    }
    try {
      const { mapped, absent } = walkTables(program, pgd, at);
      if (mapped === undefined) yield { at, physical: undefined, text: absentText(program, vma, at, absent) };
      else {
        if (attempt(() => program.memory.physical.readU64(mapped.physical)) === undefined) missing.pages++;
        yield { at, physical: mapped.physical, text: mapped.physical.toString(16) };
      }
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      missing.tables++;
      yield { at, physical: undefined, text: '(page table not in the dump)' };
    }
  }
}

function* pageLines(context: CommandContext, vma: Vma, pgd: VirtAddr, missing: Missing): Generator<TextLine> {
  yield 'VIRTUAL     PHYSICAL';
  for (const { at, physical, text } of pagesOf(context, vma, pgd, missing))
    yield `${at.toString(16).padEnd(10)}  ${physical === undefined ? text : centred(text, 8, 'up')}`;
}

function dataOf(context: CommandContext, vma: Vma, pgd: VirtAddr | undefined): Data {
  return {
    vma: address(vma.vma),
    start: address(vma.start),
    end: address(vma.end),
    flags: `0x${vma.flags.toString(16)}`,
    file: vma.file === undefined ? undefined : name(vmaFile(context.program, vma)),
    pages:
      pgd === undefined
        ? undefined
        : [...pagesOf(context, vma, pgd, { tables: 0, pages: 0 })].map(({ at, physical, text }) => ({
            address: address(at),
            physical: physical === undefined ? undefined : `0x${text}`,
            absent: physical === undefined ? text : undefined,
          })),
  };
}
