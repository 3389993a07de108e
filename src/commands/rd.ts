/** `rd`: memory as numbers, characters, symbols, at a kernel, user or physical address. */
import { add, alignDown, hex, parseAddress, phys, pfn, type VirtAddr, virt } from '../base/address.ts';
import { attempt, UsageError } from '../base/errors.ts';
import { slabCaches, slabObjectAt } from '../kernel/slab.ts';
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import type { Data } from '../model/value.ts';
import { parseCount } from '../shell/arguments.ts';
import { symbolText } from '../shell/c-value.ts';
import { addressArgument } from '../shell/expression.ts';
import { countUntil, type DumpFormat, dumpRows, printable } from '../shell/memory-dump.ts';
import { currentTask } from '../shell/tasks.ts';
import { hex16, integer } from '../shell/format.ts';
import { userMemory } from '../shell/user-memory.ts';

/** 1 GiB of memory on a terminal is no answer. */
const MAX_BYTES = 1 << 30;

export default defineCommand({
  name: 'rd',
  summary: 'memory: numbers, characters, symbols',
  options: [
    { flag: '8', summary: 'bytes' },
    { flag: '16', summary: 'units of 16 bits' },
    { flag: '32', summary: 'units of 32 bits' },
    { flag: '64', summary: 'units of 64 bits, which is usual' },
    { flag: 'd', summary: 'signed decimal' },
    { flag: 'D', summary: 'unsigned decimal' },
    { flag: 's', summary: 'symbols instead of numbers' },
    { flag: 'S', summary: 'symbols, and the slab cache of what lies in one: [cache]; -SS with the address too' },
    { flag: 'x', summary: 'without characters at the right' },
    { flag: 'a', summary: 'as text; without a count up to its end' },
    { flag: 'N', summary: 'in network byte order' },
    { flag: 'R', summary: 'so many units that end with the address' },
    { flag: 'o', value: 'offset', kind: 'number', summary: 'begin so many bytes later' },
    { flag: 'e', value: 'address', kind: 'address', summary: 'up to this address' },
    { flag: 'p', summary: 'a physical address' },
    { flag: 'u', summary: 'an address of the chosen task in user space' },
  ],
  arguments: [
    { name: 'address | symbol', kinds: ['symbol', 'address'] },
    { name: 'count', kinds: ['number'], optional: true },
  ],
  examples: [
    { line: 'rd jiffies', what: 'one word' },
    { line: 'rd -s ffffd1ec00407e40 20', what: 'words of a stack, as symbols where they are some' },
    { line: 'rd -a linux_banner', what: 'text' },
    { line: 'rd -32 init_task 8', what: 'eight units of 32 bits' },
    { line: 'rd -p 1000000 4', what: 'physical memory' },
  ],
  run(context, args) {
    const [where, countText, more] = args.positionals;
    if (where === undefined || more !== undefined) throw new UsageError('usage: rd [options] address [count]');
    const size = unitOf(args);
    const offset = args.value('o');
    let start = add(address(context, args, where), offset === undefined ? 0 : parseCount(offset, '-o', 0));
    const read = reader(context, args);
    if (args.has('a'))
      return text(start, countText === undefined ? undefined : parseCount(countText, 'count', 1, MAX_BYTES), read);
    const end = args.value('e');
    let count = countText === undefined ? 1 : parseCount(countText, 'count', 1, MAX_BYTES / size);
    if (end !== undefined) {
      const stop = addressArgument(context.program, end);
      count = countUntil(start, stop, size);
      if (count < 1 || count > MAX_BYTES / size) throw new UsageError(`-e ${end}: is not behind the start, or too far`);
    }
    if (args.has('R')) start = add(start, -(count - 1) * size);
    const name = nameOf(context, args, size);
    const format: DumpFormat = {
      size,
      numbers: args.has('d') ? 'signed' : args.has('D') ? 'unsigned' : 'hex',
      text: !(args.has('x') || args.has('d') || args.has('D') || name !== undefined),
      network: args.has('N'),
      ...(name === undefined ? {} : { name }),
    };
    return {
      shape: 'lines',
      lines: checked(context, dumpRows(start, count, format, read)),
      data: () => data(start, count, size, read),
    };
  },
});

function unitOf(args: CommandArguments): 1 | 2 | 4 | 8 {
  if (args.has('8')) return 1;
  if (args.has('16')) return 2;
  return args.has('32') ? 4 : 8;
}

function address({ program }: CommandContext, args: CommandArguments, where: string): VirtAddr {
  if (!args.has('p') && !args.has('u')) return addressArgument(program, where);
  const at = parseAddress(where);
  if (at === undefined) throw new UsageError(`'${where}' is no address; -p and -u take one in hex`);
  return at;
}

type Read = (address: VirtAddr, length: number) => Uint8Array;

function reader(context: CommandContext, args: CommandArguments): Read {
  const { program } = context;
  if (args.has('p')) return (at, length) => physical(context, at, length);
  if (args.has('u')) {
    const task = currentTask(context);
    if (task.mm === undefined)
      throw new UsageError(`${task.comm} (pid ${task.pid}) has no memory in user space; choose a task with set`);
    const memory = userMemory(program, task.mm);
    return (at, length) => memory.readBytes(at, length);
  }
  return (at, length) => program.memory.readBytes(at, length);
}

/** Bytes of physical memory, page by page. */
function physical({ program }: CommandContext, at: VirtAddr, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const from = phys(at + BigInt(done));
    const page = alignDown(from, program.pageSize);
    const view = program.memory.physical.view(pfn(Number(page / BigInt(program.pageSize))));
    const offset = Number(from - page);
    const size = Math.min(length - done, program.pageSize - offset);
    out.set(new Uint8Array(view.buffer, view.byteOffset + offset, size), done);
    done += size;
  }
  return out;
}

function nameOf(
  { program }: CommandContext,
  args: CommandArguments,
  size: number,
): ((value: bigint) => string | undefined) | undefined {
  if (!args.has('s') && !args.has('S')) return undefined;
  if (size !== 8) throw new UsageError('-s and -S are for units of 64 bits');
  const caches = args.has('S') ? attempt(() => slabCaches(program)) : undefined;
  return (value) => {
    const at = virt(value);
    const symbol = symbolText(program, at);
    if (symbol !== undefined || caches === undefined) return symbol;
    const object = attempt(() => slabObjectAt(program, at, caches));
    if (object === undefined) return undefined;
    return args.count('S') > 1 ? `[${hex16(value)}:${object.cacheName}]` : `[${object.cacheName}]`;
  };
}

function* checked({ budget }: CommandContext, rows: Iterable<TextLine>): Generator<TextLine> {
  for (const row of rows) {
    budget.check();
    yield row;
  }
}

/** 60 characters in a row; without a count up to the first that is no text. */
function text(start: VirtAddr, count: number | undefined, read: Read): Shape {
  const bytes: number[] = [];
  for (let done = 0; done < (count ?? 65536); ) {
    const chunk = read(add(start, done), count === undefined ? 1 : Math.min(60, count - done));
    const code = chunk[0] ?? 0;
    const end = count === undefined && (code < 32 || code > 126);
    if (end) break;
    bytes.push(...chunk);
    done += chunk.length;
  }
  const all = Uint8Array.from(bytes);
  const lines: TextLine[] = [];
  for (let at = 0; at < all.length; at += 60) {
    lines.push([{ text: hex16(add(start, at)), style: 'address' }, `:  ${printable(all.subarray(at, at + 60))}`]);
  }
  return { shape: 'lines', lines, data: () => Buffer.from(all).toString('latin1') };
}

function data(start: VirtAddr, count: number, size: number, read: Read): Data {
  const bytes = read(start, count * size);
  const units = Array.from({ length: count }, (_, i) => {
    let value = 0n;
    for (let j = size - 1; j >= 0; j--) value = (value << 8n) | BigInt(bytes[i * size + j] ?? 0);
    return size === 8 ? hex(value) : integer(value);
  });
  return { address: hex(start), unit: size, units };
}
