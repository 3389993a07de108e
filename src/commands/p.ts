/** `p`: the value of an expression, a variable, or a per-CPU variable on some CPUs, in gdb's layout. */
import { hex } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { cpus } from '../kernel/cpus.ts';
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { type Data, type Value, ctype } from '../model/value.ts';
import { strip } from '../program/types.ts';
import { parseCpus } from '../shell/arguments.ts';
import { cTypeName } from '../shell/c-types.ts';
import { memoryPlace, symbolText, valueText } from '../shell/c-value.ts';
import { valueData } from '../shell/c-value-data.ts';
import { type CValue, evaluate } from '../shell/expression.ts';
import { variableType } from '../shell/variable-types.ts';

export default defineCommand({
  name: 'p',
  aliases: [
    ['px', 'p -x'],
    ['pd', 'p -d'],
    ['p/x', 'p -x'],
    ['p/d', 'p -d'],
    ['print', 'p'],
  ],
  summary: 'the value of a C expression or of a variable',
  description: [
    'Operators, casts, member access, sizeof and enumerators are as in C; {type} address, array@count, per_cpu(symbol, cpu), ' +
      'per_cpu_ptr(pointer, cpu), offsetof(type, member) and container_of(pointer, type, member) as well. A variable whose type ' +
      'is not known is cast: p (int)nr_threads. Inside parentheses < and > are operators, outside they redirect.',
  ],
  options: [
    { flag: 'x', summary: 'numbers in hex' },
    { flag: 'd', summary: 'numbers in decimal' },
  ],
  arguments: [{ name: 'expression | symbol[:cpus]', kinds: ['expression', 'symbol'] }],
  optionsFirst: true,
  examples: [
    { line: 'p jiffies', what: 'a variable' },
    { line: 'p ((struct task_struct *)0xffff88899fc4a0c0)->mm->total_vm * 4', what: 'its address space in KiB' },
    { line: 'p runqueues:0,1', what: 'a per-CPU variable on two CPUs; :a for all' },
    { line: 'p -x init_task.flags', what: 'in hex' },
    { line: 'p (int)nr_threads', what: 'a variable whose type has to be said' },
  ],
  run(context, args) {
    if (args.text === '') throw new UsageError('which expression? usage: p expression | symbol[:cpus]');
    const perCpu = /^([A-Za-z_]\w*):(\S*)$/.exec(args.text);
    if (perCpu?.[1] !== undefined) return onCpus(context, args, perCpu[1], perCpu[2] ?? '');
    const bare = /^[A-Za-z_]\w*$/.test(args.text);
    if (bare && isPerCpu(context, args.text)) return addresses(context, args.text);
    const value = evaluate(context.program, args.text);
    const text = topText(context, args, value);
    // crash begins a new line for what does not break into lines itself.
    const label = bare && value.address !== undefined ? `${args.text} = ${/^\{[^\n]/.test(text) ? '\n ' : ''}` : '';
    return {
      shape: 'lines',
      lines: linesOf(`${label}${text}`),
      data: () => resultData(value),
    };
  },
});

function linesOf(text: string): readonly TextLine[] {
  return text.split('\n');
}

/** A value that stands alone: pointers say what they point to. */
function topText(context: CommandContext, args: CommandArguments, value: CValue): string {
  const { program, session } = context;
  if (value.untyped !== undefined) {
    throw new UsageError(
      `the type of ${value.untyped} is not known (BTF has none of ordinary variables); cast it, as in p (int)${value.untyped}, or see its bytes with rd ${value.untyped}`,
    );
  }
  const radix = args.has('x') ? 16 : args.has('d') ? 10 : session.radix;
  const bare = strip(value.type);
  if (bare.kind === 'function') {
    const name = value.address === undefined ? undefined : symbolText(program, value.address);
    return `{${cTypeName(bare)}} ${value.address === undefined ? '' : hex(value.address).replace(/0x0*(?=.)/, '0x')} <${name ?? '?'}>`;
  }
  const text = valueText(value.type, value.place, {
    program,
    radix,
    elements: session.printMax,
    unreadable: (error) => context.problem(`${args.text}: ${error.message}`),
  });
  const isString = bare.kind === 'pointer' && strip(bare.target).kind === 'int' && text.endsWith('"');
  return bare.kind === 'pointer' && !isString ? `(${cTypeName(value.type)}) ${text}` : text;
}

function resultData({ type, place, address }: CValue): Data {
  const typed: Value = ctype(cTypeName(type));
  return { type: typed, address: address === undefined ? undefined : hex(address), value: valueData(type, place) };
}

/** Per-CPU symbols lie in a section of their own. */
function isPerCpu({ program }: CommandContext, name: string): boolean {
  const symbol = program.symbols.kernel.lookup(name);
  const start = program.symbols.kernel.lookup('__per_cpu_start');
  const end = program.symbols.kernel.lookup('__per_cpu_end');
  if (symbol === undefined || start === undefined || end === undefined) return false;
  return symbol.address >= start.address && symbol.address < end.address && name !== '__per_cpu_start';
}

function addresses({ program }: CommandContext, name: string): Shape {
  const base = program.symbol(name).address;
  const type = variableType(program, name);
  const all = cpus(program, 'possible').map((cpu) => ({ cpu, at: program.perCpuAddress(base, cpu) }));
  return {
    shape: 'lines',
    lines: [
      'PER-CPU DATA TYPE:',
      `  ${type === undefined ? `${name}, of a type that is not known` : declared(cTypeName(type), name)};`,
      'PER-CPU ADDRESSES:',
      ...all.map(({ cpu, at }) => `  [${cpu}]: ${at.toString(16)}`),
    ],
    data: () => ({
      type: type === undefined ? undefined : ctype(cTypeName(type)),
      addresses: all.map(({ cpu, at }) => ({ cpu, address: hex(at) })),
    }),
  };
}

function declared(type: string, name: string): string {
  return type.endsWith('*') ? `${type}${name}` : `${type} ${name}`;
}

function onCpus(context: CommandContext, args: CommandArguments, name: string, list: string): Shape {
  const { program } = context;
  const base = program.symbol(name).address;
  const type = variableType(program, name);
  if (type === undefined) throw new UsageError(`the type of ${name} is not known; cast it: p (int)per_cpu(${name}, 0)`);
  const chosen = parseCpus(list === '' ? 'a' : list, cpus(program, 'possible'));
  const values = chosen.map((cpu) => {
    const address = program.perCpuAddress(base, cpu);
    return { cpu, value: { type, place: memoryPlace(program, address), address } };
  });
  return {
    shape: 'lines',
    lines: values.flatMap(({ cpu, value }) => linesOf(`per_cpu(${name}, ${cpu}) = ${topText(context, args, value)}`)),
    data: () => values.map(({ cpu, value }) => ({ cpu, ...(resultData(value) as object) })),
  };
}
