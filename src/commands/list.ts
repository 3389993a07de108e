/**
 * `list`: follows a linked list and shows members of what is on it. A list that runs into itself ends there and is told:
 * it is damaged, or the offset is wrong.
 */
import { add, hex, type VirtAddr } from '../base/address.ts';
import { isDataError, UsageError } from '../base/errors.ts';
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import type { Data } from '../model/value.ts';
import { addressArgument } from '../shell/expression.ts';
import { hex16 } from '../shell/format.ts';
import {
  memberLines,
  offsetArgument,
  structData,
  structLines,
  structSpec,
  type StructSpec,
} from '../shell/struct-view.ts';

const MAX_ENTRIES = 1 << 22;

export default defineCommand({
  name: 'list',
  summary: 'follow a linked list',
  description: [
    'With -H the start is a list_head that stands alone, and with -h an object that is on the list itself; both need to know ' +
      'where the link is in each object: bytes, or TYPE.MEMBER. Without them the start is the first object, each link is read ' +
      'at the offset (0), and what it holds is the next object.',
  ],
  options: [
    { flag: 'H', summary: 'the start is a list_head that belongs to no object of the list' },
    { flag: 'h', summary: 'the start is an object on the list' },
    { flag: 'o', value: 'offset', kind: 'member', summary: 'where the link is: bytes, or TYPE.MEMBER' },
    {
      flag: 'O',
      value: 'offset',
      kind: 'member',
      summary: 'with -h: where the list begins in the start, if not at its link',
    },
    {
      flag: 's',
      value: 'TYPE[.MEMBER]',
      kind: 'member',
      summary: 'show each object, or members of it; may be repeated with commas',
    },
    { flag: 'S', value: 'TYPE[.MEMBER]', kind: 'member', summary: 'the same' },
    { flag: 'l', value: 'offset', kind: 'member', summary: 'with -s: the addresses are those of links at this offset' },
    { flag: 'e', value: 'address', kind: 'address', summary: 'end before this address' },
    { flag: 'r', summary: 'backwards' },
    { flag: 'B', summary: 'taken for crash: loops are always found' },
    { flag: 'x', summary: 'numbers in hex' },
    { flag: 'd', summary: 'numbers in decimal' },
  ],
  arguments: [
    { name: 'offset', kinds: ['member', 'number'], optional: true },
    { name: 'start', kinds: ['symbol', 'address'] },
  ],
  examples: [
    {
      line: 'list -H ffff88899fd6d098 -s rwsem_waiter.task,type -l rwsem_waiter.list',
      what: 'who waits for a rw_semaphore',
    },
    { line: 'list task_struct.tasks -h init_task -s task_struct.pid,comm', what: 'all processes' },
    { line: 'list -H modules -o module.list -s module.name', what: 'the modules' },
  ],
  run(context, args) {
    const { program } = context;
    const [first, second, more] = args.positionals;
    if (first === undefined || more !== undefined) throw new UsageError('usage: list [options] [offset] start');
    // The offset stands in front of the start; behind it when it is a TYPE.MEMBER that nothing else can be.
    const isBehind = second !== undefined && /^[A-Za-z_]\w*\.\w/.test(second) && !/\./.test(first);
    const offsetText = args.value('o') ?? (second === undefined ? undefined : isBehind ? second : first);
    const startText = second === undefined || isBehind ? first : second;
    if (args.value('o') !== undefined && second !== undefined) throw new UsageError('the offset is given twice');
    if (args.has('H') && args.has('h')) throw new UsageError('-H and -h exclude each other');
    const offset = offsetText === undefined ? 0 : offsetArgument(program, offsetText);
    const start = addressArgument(program, startText);
    const shown = args.value('s') ?? args.value('S');
    const spec = shown === undefined ? undefined : structSpec(program, shown);
    const link = args.value('l');
    const back = link === undefined ? 0 : offsetArgument(program, link);
    const end = args.value('e');
    const found = walk(context, args, start, offset, end === undefined ? undefined : addressArgument(program, end));
    return shape(context, args, found, spec, back);
  },
});

interface Walked {
  readonly objects: readonly VirtAddr[];
  /** Why it broke off. */
  readonly problem: string | undefined;
}

function walk(
  context: CommandContext,
  args: CommandArguments,
  start: VirtAddr,
  offset: number,
  end: VirtAddr | undefined,
): Walked {
  const { program, budget } = context;
  // struct list_head { next; prev; }: pointers of 8 bytes.
  const step = args.has('r') ? 8 : 0;
  const embedded = args.has('H') || args.has('h');
  const objectOf = (node: VirtAddr): VirtAddr => (embedded ? add(node, -offset) : node);
  const head = args.has('O') ? offsetArgument(program, args.value('O') ?? '') : offset;
  // The link that the walk begins at, and that ends it.
  const first = args.has('H') ? start : args.has('h') ? add(start, head) : start;
  const objects: VirtAddr[] = [];
  // With -O the head is no link of an object, and its owner is not on the list.
  if (!args.has('H') && !args.has('O')) objects.push(start);
  const seen = new Set<VirtAddr>([first]);
  try {
    for (let at = first; ; ) {
      budget.check();
      const next = program.memory.readPointer(embedded ? add(at, step) : add(at, offset + step));
      if (next === 0n || next === first || objectOf(next) === end) break;
      if (seen.has(next)) return { objects, problem: `duplicate list entry: ${hex16(next)}` };
      if (objects.length >= MAX_ENTRIES) return { objects, problem: `the list has more than ${MAX_ENTRIES} entries` };
      seen.add(next);
      objects.push(objectOf(next));
      at = next;
    }
  } catch (error) {
    if (!isDataError(error)) throw error;
    if (objects.length === 0) throw error;
    return { objects, problem: `after ${objects.length} entries: ${error.message}` };
  }
  return { objects, problem: undefined };
}

function shape(
  context: CommandContext,
  args: CommandArguments,
  { objects, problem }: Walked,
  spec: StructSpec | undefined,
  back: number,
): Shape {
  const { program, session } = context;
  const radix = args.has('x') ? 16 : args.has('d') ? 10 : session.radix;
  if (problem !== undefined) context.problem(`the list: ${problem}`);
  const lines = function* (): Generator<TextLine> {
    if (objects.length === 0) yield '(empty)';
    for (const at of objects) {
      context.budget.check();
      yield [{ text: hex16(at), style: 'address' }];
      if (spec === undefined) continue;
      const object = add(at, -back);
      const options = { radix, context, what: `${spec.name} at ${hex16(object)}` } as const;
      try {
        yield* spec.members.length === 0 ? structLines(spec, object, options) : memberLines(spec, object, options);
      } catch (error) {
        if (!isDataError(error)) throw error;
        context.problem(`${spec.name} at ${hex16(object)}: ${error.message}`);
      }
    }
  };
  const data = (): Data =>
    objects.map((at) => (spec === undefined ? hex(at) : structData(program, spec, add(at, -back))));
  return { shape: 'lines', lines: lines(), data };
}
