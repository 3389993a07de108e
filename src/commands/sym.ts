/** `sym`: a symbol by its name or the symbol that covers an address, with its neighbours or those that look alike. */
import { add, type VirtAddr } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { defineCommand } from '../model/command.ts';
import { type Shape, shown } from '../model/shape.ts';
import { address, symbol as symbolValue } from '../model/value.ts';
import type { KernelModule } from '../program/modules.ts';
import type { Program } from '../program/program.ts';
import type { SymbolAt } from '../program/symbols.ts';
import { hex16 } from '../shell/format.ts';
import { nearestSymbol } from '../shell/symbol-names.ts';

interface Row {
  readonly name: string;
  readonly address: VirtAddr;
  readonly type: string;
  readonly module: string | undefined;
  readonly offset: number;
  /** 'MODULE START', instead of a symbol. */
  readonly boundary?: string;
  /** 'kernel/sched/core.c: 6500', where a vmlinux with debug information was given. */
  readonly source?: string | undefined;
}

export default defineCommand({
  name: 'sym',
  summary: 'symbols by name or address',
  description: [
    'The letter is that of nm: T text, D data, B zeroed data, R constants, A absolute; small letters are static.',
  ],
  options: [
    { flag: 'l', summary: 'all symbols in the order of their addresses' },
    { flag: 'M', summary: 'all symbols of modules' },
    { flag: 'm', value: 'module', summary: 'all symbols of one module' },
    { flag: 'q', value: 'text', summary: 'symbols that have this in their names' },
    { flag: 'p', summary: 'the symbol before it, too' },
    { flag: 'n', summary: 'the symbol behind it, too' },
  ],
  arguments: [{ name: 'symbol | address', kinds: ['symbol', 'address'], optional: true, repeated: true }],
  examples: [
    { line: 'sym mutex_lock', what: 'where it is' },
    { line: 'sym ffffffff99b67fa5', what: 'what is there' },
    { line: 'sym -q rwsem_down', what: 'all that have this in their names' },
  ],
  run(context, args) {
    const { program, budget } = context;
    const wanted = args.value('q');
    if (args.has('l')) return table(kernelRows(program));
    if (wanted !== undefined) {
      const rows = [...kernelRows(program), ...moduleRows(program)].filter(({ name }) => name.includes(wanted));
      if (rows.length === 0) throw new UsageError(`no symbol has '${wanted}' in its name`);
      return table(rows);
    }
    const module = args.value('m');
    if (module !== undefined || args.has('M')) {
      const known = program.modules.modules.map(({ name }) => name);
      if (module !== undefined && !known.includes(module))
        throw new UsageError(`no module '${module}'; there are: ${known.join(' ')}`);
      return table(
        [...program.modules.modules].filter(({ name }) => module === undefined || name === module).flatMap(moduleTable),
        true,
      );
    }
    if (args.positionals.length === 0) throw new UsageError('which symbol? usage: sym symbol | address');
    const rows = args.positionals.flatMap((text): Row[] => {
      budget.check();
      const found = find(program, text);
      if (found.length === 0) {
        const guess = nearestSymbol(program, text);
        context.failure(`no symbol '${text}'${guess === undefined ? '' : `; did you mean ${guess}?`}`);
      }
      return args.has('p') || args.has('n')
        ? found.flatMap((row) => around(program, row, args.has('p'), args.has('n')))
        : found;
    });
    return table(rows.map((row) => ({ ...row, source: sourceOf(program, row.address) })));
  },
});

/** The line of the code itself, not that of the functions that it was inlined into. */
function sourceOf(program: Program, at: VirtAddr): string | undefined {
  const [innermost] = program.lineAt(at);
  return innermost?.file === undefined ? undefined : `${innermost.file}: ${innermost.line ?? '?'}`;
}

function find(program: Program, text: string): Row[] {
  const named = [
    ...program.symbols.kernel.lookupAll(text),
    ...program.modules.modules.flatMap((module) => [...(module.symbols?.lookupAll(text) ?? [])]),
  ];
  if (named.length > 0) return named.map((entry) => ({ ...entry, offset: 0 }));
  const hex = /^(?:0x)?([0-9a-f]{1,16})$/i.exec(text)?.[1];
  const offset = /^([A-Za-z_][\w.]*)\+(0x[0-9a-f]+|\d+)$/i.exec(text);
  const base = offset?.[1] === undefined ? undefined : program.symbols.lookup(offset[1], { modules: true });
  const at =
    base !== undefined
      ? ((base.address + BigInt(offset?.[2] ?? 0)) as VirtAddr)
      : hex === undefined
        ? undefined
        : (BigInt(`0x${hex}`) as VirtAddr);
  const symbol: SymbolAt | undefined = at === undefined ? undefined : program.symbols.at(at);
  return symbol === undefined || at === undefined ? [] : [{ ...symbol, address: at }];
}

function* kernelRows(program: Program): Generator<Row> {
  for (const entry of program.symbols.kernel.entries()) yield { ...entry, offset: 0 };
}

function* moduleRows(program: Program, only?: string): Generator<Row> {
  for (const module of program.modules.modules) {
    if (only !== undefined && module.name !== only) continue;
    for (const entry of module.symbols?.entries() ?? []) yield { ...entry, offset: 0 };
  }
}

/** What crash shows of a module: where it, or each of its parts, begins and ends, and the symbols between. */
function moduleTable(module: KernelModule): Row[] {
  const row = (address: VirtAddr, boundary: string): Row => ({
    name: module.name,
    address,
    type: '',
    module: module.name,
    offset: 0,
    boundary,
  });
  const parts = module.ranges.filter(({ part }) => part !== undefined);
  const [first] = module.ranges.map(({ start }) => start).toSorted(byAddress);
  const end = module.ranges
    .map(({ start, size }) => add(start, size))
    .toSorted(byAddress)
    .at(-1);
  // Until 6.3 the module is one piece, and crash names the byte behind it as its end; since then the last byte of each.
  const boundaries =
    parts.length > 0
      ? parts.flatMap(({ start, size, part }) => [
          row(start, `MODULE ${part} START`),
          row(add(start, size - 1), `MODULE ${part} END`),
        ])
      : [
          ...(first === undefined ? [] : [row(first, 'MODULE START')]),
          ...(end === undefined ? [] : [row(end, 'MODULE END')]),
        ];
  const symbols = [...(module.symbols?.entries() ?? [])].map((entry): Row => ({ ...entry, offset: 0 }));
  const place = ({ boundary }: Row): number => (boundary === undefined ? 1 : boundary.endsWith('START') ? 0 : 2);
  return [...boundaries, ...symbols].toSorted((a, b) => byAddress(a.address, b.address) || place(a) - place(b));
}

function byAddress(a: VirtAddr, b: VirtAddr): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The neighbours of a symbol in the order of addresses. */
function around(program: Program, row: Row, before: boolean, after: boolean): Row[] {
  const start = row.address - BigInt(row.offset);
  let previous: Row | undefined;
  let next: Row | undefined;
  const all = row.module === undefined ? kernelRows(program) : moduleRows(program, row.module);
  for (const each of all) {
    if (each.address < start) previous = each;
    else if (each.address > start) {
      next = each;
      break;
    }
  }
  return [...(before && previous !== undefined ? [previous] : []), row, ...(after && next !== undefined ? [next] : [])];
}

/** @param inModule - the module of all rows is told by its boundaries */
function table(rows: Iterable<Row>, inModule = false): Shape {
  const all = Array.from(rows);
  const hasSource = all.some(({ source }) => source !== undefined);
  return {
    shape: 'table',
    header: false,
    columns: [
      { key: 'address', label: 'ADDRESS', align: 'left', width: 16 },
      { key: 'type', label: 'TYPE', align: 'left', width: 3, gap: 1 },
      { key: 'name', label: 'NAME', align: 'left', width: 1, gap: 1 },
      ...(hasSource ? [{ key: 'source', label: 'SOURCE', align: 'left', width: 1, gap: 1 } as const] : []),
    ],
    rows: all.map((row) => [
      shown(hex16(row.address), address(row.address)),
      row.boundary === undefined ? shown(`(${row.type})`, row.type) : shown(`${row.boundary}:`, row.boundary),
      shown(
        `${row.name}${row.offset === 0 ? '' : `+${row.offset}`}${row.module === undefined || inModule ? '' : ` [${row.module}]`}`,
        row.boundary === undefined
          ? { symbol: symbolValue(row.name), offset: row.offset, module: row.module }
          : { module: row.module },
      ),
      ...(hasSource ? [row.source === undefined ? shown('', '') : shown(row.source, row.source)] : []),
    ]),
  };
}
