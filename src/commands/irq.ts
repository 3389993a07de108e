/** `irq`: interrupts, their handlers, and how often each CPU got them. */
import { attempt } from '../base/errors.ts';
import { cpus } from '../kernel/cpus.ts';
import { interruptGates, type Irq, irqAffinity, irqCount, irqLimit, irqs, softIrqs } from '../kernel/irqs.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { address, type Data, name } from '../model/value.ts';
import { parseCount, parseCpus, rangesOf } from '../shell/arguments.ts';
import { hex16 } from '../shell/format.ts';

const UNUSED = '    (unused)    ';

export default defineCommand({
  name: 'irq',
  summary: 'interrupts and their handlers',
  options: [
    { flag: 'u', summary: 'only those that have a descriptor' },
    { flag: 's', summary: 'how often they came to each CPU' },
    { flag: 'a', summary: 'which CPUs they may go to, of those that are handled' },
    { flag: 'd', summary: 'the interrupt descriptor table: where each vector leads to' },
    { flag: 'b', summary: 'the soft interrupts' },
    { flag: 'c', value: 'cpus', kind: 'cpus', summary: 'these CPUs only, with -s' },
  ],
  arguments: [{ name: 'irq', kinds: ['number'], optional: true, repeated: true }],
  examples: [
    { line: 'irq -u', what: 'the interrupts in use' },
    { line: 'irq -a', what: 'which CPUs they may go to' },
    { line: 'irq -s', what: 'as /proc/interrupts' },
  ],
  run(context, args) {
    if (args.has('b')) return soft(context);
    if (args.has('d')) return gates(context);
    const wanted = new Set(args.positionals.map((text) => parseCount(text, 'interrupt', 0, 1 << 20)));
    const all = irqs(context.program);
    const chosen = wanted.size === 0 ? all : all.filter(({ irq }) => wanted.has(irq));
    if (args.has('a')) return affinities(context, chosen);
    if (args.has('s')) {
      const online = cpus(context.program, 'online');
      const list = args.value('c');
      return counts(context, chosen, list === undefined ? online : parseCpus(list, online));
    }
    const every =
      args.has('u') || wanted.size > 0 ? [] : Array.from({ length: irqLimit(context.program) }, (_, i) => i);
    const numbers = new Set([...every, ...chosen.map(({ irq }) => irq), ...wanted]);
    const byNumber = new Map(chosen.map((irq) => [irq.irq, irq]));
    return {
      shape: 'lines',
      lines: [
        [{ text: ' IRQ   IRQ_DESC/_DATA      IRQACTION      NAME', style: 'heading' }],
        ...[...numbers].sort((a, b) => a - b).flatMap((number) => lines(number, byNumber.get(number))),
      ],
      data: () => chosen.map(dataOf),
    };
  },
});

function lines(number: number, irq: Irq | undefined): readonly TextLine[] {
  // From 100 on crash's rows stand one to the right.
  const label = number < 100 ? `${String(number).padStart(3)}   ` : ` ${number}  `;
  const head = `${label}${irq === undefined ? UNUSED : hex16(irq.desc)}  `;
  if (irq === undefined || irq.actions.length === 0) return [`${head}${UNUSED}`];
  return irq.actions.map(
    ({ action, name: by }, i): TextLine => [
      i === 0 ? head : ' '.repeat(head.length),
      { text: hex16(action), style: 'address' },
      '  "',
      { text: by ?? '?', style: 'name' },
      '"',
    ],
  );
}

function dataOf({ irq, desc, actions, chip, flow }: Irq): { readonly [key: string]: Data } {
  return {
    irq,
    desc: address(desc),
    chip,
    flow,
    actions: actions.map(({ action, name: by }) => ({ action: address(action), name: by && name(by) })),
  };
}

function counts({ program, problem }: CommandContext, all: readonly Irq[], chosen: readonly number[]): Shape {
  const rows = all
    .filter(({ actions }) => actions.length > 0)
    .map((irq) => ({ irq, counts: chosen.map((cpu) => attempt(() => irqCount(program, irq, cpu))) }));
  if (rows.some((row) => row.counts.includes(undefined))) problem('the counts of some CPUs cannot be read');
  return {
    shape: 'lines',
    lines: [
      `     ${chosen.map((cpu) => `CPU${cpu}`.padStart(10)).join(' ')}`,
      ...rows.map(({ irq: { irq, chip, flow, actions }, counts: of }): TextLine => {
        const numbers = of.map((each) => String(each ?? '?').padStart(10)).join(' ');
        const names = actions.map(({ name: by }) => by ?? '?').join(', ');
        return `${String(irq).padStart(3)}: ${numbers} ${(chip ?? '').padStart(8)}-${(flow ?? '').padEnd(8)} ${names}`;
      }),
    ],
    data: () =>
      rows.map(({ irq, counts: of }) => ({
        ...dataOf(irq),
        counts: chosen.map((cpu, i) => ({ cpu, count: of[i] })),
      })),
  };
}

function affinities({ program, problem }: CommandContext, all: readonly Irq[]): Shape {
  const rows = all
    .filter(({ actions }) => actions.length > 0)
    .map((irq) => ({ irq, cpus: attempt(() => irqAffinity(program, irq)) }));
  if (rows.some((row) => row.cpus === undefined)) problem('the affinity of some interrupts cannot be read');
  return {
    shape: 'lines',
    lines: [
      [{ text: 'IRQ NAME                 AFFINITY', style: 'heading' }],
      ...rows.map(({ irq: { irq, actions }, cpus: allowed }) => {
        const names = actions.map(({ name: by }) => by ?? '?').join(',');
        return `${String(irq).padStart(3)} ${names.padEnd(20)} ${allowed === undefined ? '?' : rangesOf(allowed)}`;
      }),
    ],
    data: () => rows.map(({ irq, cpus: allowed }) => ({ ...dataOf(irq), cpus: allowed })),
  };
}

/** Names and offsets as crash has them: in decimal. */
function gates({ program }: CommandContext): Shape {
  const rows = interruptGates(program).map((handler, vector) => {
    const symbol = program.symbols.at(handler);
    const offset = symbol === undefined ? 0n : handler - symbol.address;
    return { vector, handler, text: symbol && `${symbol.name}${offset === 0n ? '' : `+${offset}`}` };
  });
  return {
    shape: 'lines',
    lines: rows.map(({ vector, handler, text }) => `${`[${vector}]`.padStart(5)} ${text ?? hex16(handler)}`),
    data: () => rows.map(({ vector, handler, text }) => ({ vector, handler: address(handler), symbol: text })),
  };
}

function soft({ program }: CommandContext): Shape {
  const found = softIrqs(program).flatMap((action, i) => (action === 0n ? [] : [{ action, i }]));
  const named = found.map(({ action, i }) => ({ action, i, by: program.symbols.at(action)?.name }));
  return {
    shape: 'lines',
    lines: [
      'SOFTIRQ_VEC      ACTION',
      ...named.map(({ action, i, by }) => `${`[${i}]`.padStart(7)}     ${hex16(action)}  <${by ?? '?'}>`),
    ],
    data: () => named.map(({ action, i, by }) => ({ vector: i, action: address(action), function: by })),
  };
}
