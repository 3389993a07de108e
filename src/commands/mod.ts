/** `mod`: the loaded modules, where they lie, how large they are, and which of them taint the kernel. */
import type { VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { taintLetters } from '../kernel/taint.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import { type Shape, shown } from '../model/shape.ts';
import { address, byteCount, name } from '../model/value.ts';
import type { KernelModule } from '../program/modules.ts';
import { hex16 } from '../shell/format.ts';

export default defineCommand({
  name: 'mod',
  aliases: ['lsmod'],
  summary: 'the loaded modules',
  description: [
    'Their symbols, types and unwind tables come out of the dump itself: nothing has to be loaded for them.',
  ],
  options: [
    { flag: 't', summary: 'the modules that taint the kernel, and the letters that say how' },
    { flag: 's', value: 'module', kind: 'text', summary: 'one module: its symbols are there already' },
    { flag: 'S', summary: 'all modules: their symbols are there already' },
    { flag: 'R', summary: 'the same' },
  ],
  arguments: [{ name: 'module', kinds: ['text'], optional: true, repeated: true }],
  examples: [
    { line: 'mod', what: 'all of them' },
    { line: 'mod -t', what: 'those that come from elsewhere, or are not signed' },
  ],
  run(context, args) {
    const { modules, problem } = context.program.modules;
    if (problem !== undefined) context.problem(`modules: ${problem}`);
    const one = args.value('s');
    // Behind a module stands the file of its symbols, in crash: it is not needed.
    const names = one === undefined ? args.positionals : [one];
    const unknown = names.filter((wanted) => !modules.some((module) => module.name === wanted));
    for (const wanted of unknown) context.failure(`no module is named '${wanted}'`);
    const wanted = modules.filter((each) => names.length === 0 || names.includes(each.name));
    return args.has('t') ? tainting(context, wanted) : table(context, wanted);
  },
});

function table({ program, problem }: CommandContext, modules: readonly KernelModule[]): Shape {
  const rows = modules.map((module) => ({ module, base: baseOf(module), size: sizeOf(module) }));
  const widest = (texts: readonly string[], least: number): number =>
    Math.max(least, ...texts.map((text) => text.length));
  const objects = modules.map((module) => (module.symbols === undefined ? '(no symbols)' : '(symbols in the dump)'));
  for (const [i, module] of modules.entries())
    if (objects[i] === '(no symbols)') problem(`the symbols of module ${module.name} cannot be read`);
  return {
    shape: 'table',
    columns: [
      { key: 'module', label: 'MODULE', align: 'left', labelAlign: 'center', width: 16 },
      {
        key: 'name',
        label: 'NAME',
        align: 'left',
        width: widest(
          modules.map((module) => module.name),
          4,
        ),
      },
      {
        key: 'base',
        label: program.tryField('struct module', 'mem[0].base') === undefined ? 'BASE' : 'TEXT_BASE ',
        align: 'left',
        labelAlign: 'center',
        width: 16,
      },
      {
        key: 'size',
        label: 'SIZE',
        align: 'right',
        width: widest(
          rows.map(({ size }) => `${size}`),
          4,
        ),
      },
      { key: 'object', label: 'OBJECT FILE', align: 'left' },
    ],
    rows: rows.map(({ module, base, size }, i) => [
      shown(hex16(module.address), address(module.address)),
      name(module.name),
      base === undefined ? undefined : shown(hex16(base), address(base)),
      shown(`${size}`, byteCount(size)),
      objects[i],
    ]),
  };
}

function baseOf({ ranges }: KernelModule): VirtAddr | undefined {
  return (ranges.find(({ text }) => text) ?? ranges[0])?.start;
}

function sizeOf({ ranges }: KernelModule): number {
  return ranges.reduce((sum, { size }) => sum + size, 0);
}

function tainting({ program }: CommandContext, modules: readonly KernelModule[]): Shape {
  // `unsigned long taints` since 3.17 (commit 7fd8329ba502 shows them), an unsigned int before.
  const taints = program.field('struct module', 'taints');
  const rows = modules.flatMap((module) => {
    const mask = attempt(() => taints.u64(module.address));
    if (mask === 0n) return [];
    return [{ module, letters: mask === undefined ? undefined : taintLetters(program, mask) }];
  });
  if (rows.length === 0) return { shape: 'lines', lines: ['no tainted modules'], data: () => [] };
  const width = Math.max(4, ...rows.map(({ module }) => module.name.length));
  return {
    shape: 'table',
    columns: [
      { key: 'name', label: 'NAME', align: 'left', width },
      { key: 'taints', label: 'TAINTS', align: 'left' },
    ],
    rows: rows.map(({ module, letters }) => [name(module.name), letters]),
  };
}
