/**
 * `kmem ADDRESS`: what an address is: a symbol, an object of a slab, a task or its stack, a free page, part of a vmalloc
 * area; and the page that it is in. An address that the kernel does not map is taken as a physical one.
 */
import { add, contains, type PhysAddr, type VirtAddr } from '../base/address.ts';
import { attempt, UsageError } from '../base/errors.ts';
import { pageLedgerFact } from '../diagnosis/facts/page-ledger.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import type { Task } from '../kernel/sched.ts';
import { stackArea } from '../kernel/stack.ts';
import type { CommandContext } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import { address, type Data } from '../model/value.ts';
import { hex16 } from './format.ts';
import { vmallocAreaAt } from './kmem-areas.ts';
import { freeBlockData, freeBlockLines, freeBlockOf } from './kmem-free.ts';
import { frameOf, offsetOfArgument, pageLines } from './kmem-pages.ts';
import { slabPlace } from './kmem-slab-objects.ts';
import { taskContextLines } from './task-context.ts';
import { taskData } from './tasks.ts';

interface Part {
  readonly lines: readonly string[];
  readonly key: string;
  readonly data: Data;
}

/**
 * @param wanted - hex addresses
 * @param physical - they are physical ones (`-P`)
 * @throws UsageError for an address that is nothing
 */
export function identify(context: CommandContext, wanted: readonly VirtAddr[], physical: boolean): Shape {
  const found = wanted.map((at) => ({ at, parts: partsOf(context, at, physical) }));
  return {
    shape: 'lines',
    lines: found.flatMap(({ parts }, i) => [
      ...(i === 0 ? [] : ['']),
      ...parts.flatMap(({ lines }, n) => [...(n === 0 ? [] : ['']), ...lines]),
    ]),
    data: () =>
      found.map(({ at, parts }) => ({
        address: physical ? `0x${at.toString(16)}` : address(at),
        ...Object.fromEntries(parts.map(({ key, data }) => [key, data])),
      })),
  };
}

function partsOf(context: CommandContext, at: VirtAddr, physical: boolean): readonly Part[] {
  const { program } = context;
  const text = at.toString(16);
  const parts: Part[] = [];
  const virtual = !physical;
  const symbol = virtual ? program.symbols.at(at) : undefined;
  if (symbol !== undefined && !/^[aA]$/.test(symbol.type)) {
    const { type, name, offset, module } = symbol;
    parts.push({
      key: 'symbol',
      lines: [
        `${hex16(at)} (${type}) ${name}${offset === 0 ? '' : `+${offset}`}${module === undefined ? '' : ` [${module}]`}`,
      ],
      data: { type, name, offset, module },
    });
  }
  const area = virtual ? attempt(() => vmallocAreaAt(context, at)) : undefined;
  const frame = frameOf(program, at, physical);
  if (frame === undefined && parts.length === 0 && area === undefined)
    throw new UsageError(`${text}: no symbol, no memory that the kernel has mapped, and no physical memory`);
  const slab = frame === undefined ? undefined : attempt(() => slabPlace(context, text, { physical }));
  if (slab !== undefined) parts.push({ key: 'slab', ...slab });
  const task = virtual ? taskOf(context, at) : undefined;
  if (task !== undefined) parts.push({ key: 'task', lines: taskContextLines(context, task), data: taskData(task) });
  const block = frame === undefined || slab !== undefined ? undefined : attempt(() => freeBlockOf(context, frame));
  if (block !== undefined) {
    const inside = offsetOfArgument(program, text, physical) > 0;
    parts.push({ key: 'free', lines: freeBlockLines(context, block, text, inside), data: freeBlockData(block) });
  }
  if (area !== undefined) parts.push({ key: 'vmalloc', ...area });
  if (frame !== undefined) {
    const lines = attempt(() => pageLines(program, frame));
    if (lines === undefined) context.problem(`${text}: its page structure is not in the dump`);
    // What else it is tells it already.
    const use = parts.length > 0 ? undefined : context.use(pageLedgerFact).classOf(frame);
    const physicalAddress = add(0n as PhysAddr, BigInt(frame) * BigInt(program.pageSize));
    parts.push({
      key: 'page',
      lines: [...(lines ?? []), ...(use === undefined ? [] : ['', `used for: ${use}`])],
      data: { physical: `0x${physicalAddress.toString(16)}`, use },
    });
  }
  return parts;
}

/** The task whose `task_struct` or stack has an address. */
function taskOf(context: CommandContext, at: VirtAddr): Task | undefined {
  const { program } = context;
  const size = program.sizeOf('struct task_struct');
  return context.use(tasksFact).tasks.find((task) => {
    if (contains(task.address, size, at)) return true;
    const area = attempt(() => stackArea(program, task.address));
    return area !== undefined && contains(area.start, area.size, at);
  });
}
