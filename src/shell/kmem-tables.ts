/** `kmem -o` and `kmem -g`: where each CPU's variables lie, and the bits of `page.flags`. */
import { add } from '../base/address.ts';
import { LookupError, UsageError } from '../base/errors.ts';
import { cpus } from '../kernel/cpus.ts';
import type { CommandContext } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import type { Program } from '../program/program.ts';
import { parseNumber } from './arguments.ts';
import { hex16 } from './format.ts';

/** `__per_cpu_offset` of each CPU. */
export function perCpuOffsets({ program }: CommandContext): Shape {
  const table = program.symbol('__per_cpu_offset').address;
  const rows = cpus(program, 'possible').map((cpu) => ({ cpu, offset: program.memory.readU64(add(table, 8 * cpu)) }));
  return {
    shape: 'lines',
    lines: ['PER-CPU OFFSET VALUES:', ...rows.map(({ cpu, offset }) => `  CPU ${cpu}: ${hex16(offset)}`)],
    data: () => rows.map(({ cpu, offset }) => ({ cpu, offset: hex16(offset) })),
  };
}

/** All of `enum pageflags`, or those that are set in a value. @throws UsageError, LookupError */
export function pageFlagTable({ program }: CommandContext, text: string | undefined): Shape {
  const value = text === undefined ? undefined : parseNumber(/^0x/i.test(text) ? text : `0x${text}`);
  if (text !== undefined && (value === undefined || value < 0n))
    throw new UsageError(`-g ${text}: must be the flags of a page, in hex`);
  const flags = pageFlags(program).filter(({ bit }) => value === undefined || ((value >> bit) & 1n) === 1n);
  const indent = value === undefined ? '' : '  ';
  const rows = flags.map(
    ({ name, bit }) =>
      `${indent}${name.padEnd(22)} ${String(bit).padStart(3)}  ${(1n << bit).toString(16).padStart(7, '0')}`,
  );
  return {
    shape: 'lines',
    lines: [
      ...(value === undefined ? [] : [`FLAGS: ${value.toString(16)}`]),
      `${indent}PAGE-FLAG              BIT  VALUE`,
      ...rows,
    ],
    data: () => flags.map(({ name, bit }) => ({ name, bit: Number(bit) })),
  };
}

/** Several names may share a bit. */
function pageFlags(program: Program): readonly { readonly name: string; readonly bit: bigint }[] {
  const type = program.types.tryFind('enum pageflags');
  if (type?.kind !== 'enum' || type.enumerators === undefined) throw new LookupError('type', 'enum pageflags');
  return type.enumerators
    .filter(({ name, value }) => name.startsWith('PG_') && value >= 0n && value < 64n)
    .map(({ name, value }) => ({ name, bit: value }));
}
