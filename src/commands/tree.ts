/** `tree`: the entries of a red-black tree, an XArray (radix tree) or a maple tree, with members of what is in it. */
import { add, hex, type VirtAddr } from '../base/address.ts';
import { isDataError, UsageError } from '../base/errors.ts';
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import type { TextLine } from '../model/shape.ts';
import type { Data } from '../model/value.ts';
import { addressArgument } from '../shell/expression.ts';
import { hex16, integer } from '../shell/format.ts';
import {
  memberLines,
  offsetArgument,
  structData,
  structLines,
  structSpec,
  type StructSpec,
} from '../shell/struct-view.ts';
import { maplePositions, rbPositions, rbTop, type TreeEntry, xPositions } from '../shell/tree-walk.ts';

const KINDS = ['rbtree', 'radix', 'xarray', 'maple'] as const;
type Kind = (typeof KINDS)[number];

export default defineCommand({
  name: 'tree',
  summary: 'entries of a red-black tree, an XArray or radix tree, or a maple tree',
  description: [
    'Without -t the start is an rb_root. With -o the addresses are those of the objects that hold the nodes; XArrays and maple trees hold objects, and take no -o.',
  ],
  options: [
    { flag: 't', value: 'rbtree|radix|xarray|maple', kind: 'text', summary: 'which kind of tree it is' },
    { flag: 'r', value: 'offset', kind: 'member', summary: 'where the root is in the start: bytes, or TYPE.MEMBER' },
    {
      flag: 'o',
      value: 'offset',
      kind: 'member',
      summary: 'where the rb_node is in each object: bytes, or TYPE.MEMBER',
    },
    { flag: 's', value: 'TYPE[.MEMBER]', kind: 'member', summary: 'show each object, or members of it' },
    { flag: 'S', value: 'TYPE[.MEMBER]', kind: 'member', summary: 'the same' },
    { flag: 'l', summary: 'a red-black tree in its order; else parents come first' },
    { flag: 'p', summary: 'the place of each in the tree' },
    { flag: 'v', summary: 'of a maple tree: the range of each' },
    { flag: 'N', summary: 'the start is an rb_node, and not a root' },
    { flag: 'x', summary: 'numbers in hex' },
    { flag: 'd', summary: 'numbers in decimal' },
  ],
  arguments: [{ name: 'start', kinds: ['symbol', 'address', 'expression'] }],
  examples: [
    { line: 'tree -t rbtree -o vmap_area.rb_node vmap_area_root -s vmap_area.va_start,va_end', what: 'vmalloc areas' },
    { line: 'tree -t xarray -r pid_namespace.idr init_pid_ns', what: 'all struct pid of the first namespace' },
    { line: 'tree -t maple -r mm_struct.mm_mt ffff888981057180', what: 'areas of an address space, since 6.1' },
  ],
  run(context, args) {
    const { program } = context;
    const [startText, more] = args.positionals;
    if (startText === undefined || more !== undefined)
      throw new UsageError('usage: tree [-t rbtree|radix|xarray|maple] [options] start');
    const kind = kindOf(args.value('t') ?? 'rbtree');
    if (args.has('N') && kind !== 'rbtree') throw new UsageError('-N is for red-black trees');
    const rootOffset = args.value('r');
    const start = addressArgument(program, startText);
    const root = add(start, rootOffset === undefined ? 0 : offsetArgument(program, rootOffset));
    const nodeOffset = args.value('o');
    const back = nodeOffset === undefined ? 0 : offsetArgument(program, nodeOffset);
    const shown = args.value('s') ?? args.value('S');
    const spec = shown === undefined ? undefined : structSpec(program, shown);
    const entries = (): Generator<TreeEntry> => walk(context, kind, root, args, back);
    return {
      shape: 'lines',
      lines: lines(context, args, entries(), kind, spec),
      data: () => data(context, entries(), spec),
    };
  },
});

function kindOf(text: string): Kind {
  const found = KINDS.find((kind) => kind === text || (text.length > 1 && kind.startsWith(text)));
  if (found === undefined) throw new UsageError(`-t ${text}: there are ${KINDS.join(', ')}`);
  return found;
}

/** What comes before damage is kept; the damage is told. */
function* walk(
  { program, budget, problem }: CommandContext,
  kind: Kind,
  root: VirtAddr,
  args: CommandArguments,
  back: number,
): Generator<TreeEntry> {
  let count = 0;
  try {
    const found =
      kind === 'rbtree'
        ? rbPositions(program, args.has('N') ? root : rbTop(program, root), args.has('l'))
        : kind === 'maple'
          ? maplePositions(program, root)
          : xPositions(program, root);
    for (const entry of found) {
      budget.check();
      count++;
      yield { ...entry, at: add(entry.at, -back) };
    }
  } catch (error) {
    if (!isDataError(error) || count === 0) throw error;
    problem(`the tree, after ${count} entries: ${error.message}`);
  }
}

function* lines(
  context: CommandContext,
  args: CommandArguments,
  entries: Iterable<TreeEntry>,
  kind: Kind,
  spec: StructSpec | undefined,
): Generator<TextLine> {
  const radix = args.has('x') ? 16 : args.has('d') ? 10 : context.session.radix;
  for (const { at, position, index } of entries) {
    yield [{ text: hex16(at), style: 'address' }];
    if (kind === 'maple' && (args.has('p') || args.has('v'))) yield `  range: ${position}`;
    else if (args.has('p')) yield `  ${index === undefined ? '' : `index: ${index}  `}position: ${position}`;
    if (spec === undefined) continue;
    const options = { radix, context, what: `${spec.name} at ${hex16(at)}` } as const;
    try {
      yield* spec.members.length === 0 ? structLines(spec, at, options) : memberLines(spec, at, options);
    } catch (error) {
      if (!isDataError(error)) throw error;
      context.problem(`${spec.name} at ${hex16(at)}: ${error.message}`);
    }
  }
}

function data(context: CommandContext, entries: Iterable<TreeEntry>, spec: StructSpec | undefined): Data {
  return Array.from(
    entries,
    ({ at, position, index }): Data => ({
      address: hex(at),
      position,
      index: index === undefined ? undefined : integer(index),
      object: spec === undefined ? undefined : structData(context.program, spec, at),
    }),
  );
}
