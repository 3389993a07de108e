/** Tables of the real sample (samples/), as bytes: kallsyms, BTF and ORC of a Debian 6.1 kernel. */
import { add, distance, type VirtAddr } from '../../src/base/address.ts';
import { openProgram } from '../../src/program/open.ts';
import type { Program } from '../../src/program/program.ts';
import { SAMPLE } from './kdump.ts';

function withSample<T>(use: (program: Program) => T): T {
  const program = openProgram(SAMPLE);
  try {
    return use(program);
  } finally {
    program.close();
  }
}

function between(program: Program, from: string, to: string): Uint8Array {
  const start = program.symbol(from).address;
  return program.memory.readBytes(start, distance(program.symbol(to).address, start));
}

export interface SampleKallsyms {
  readonly start: VirtAddr;
  readonly bytes: Uint8Array;
  readonly vmcoreinfo: string;
  readonly tables: ReadonlyMap<string, bigint>;
}

export function sampleKallsyms(): SampleKallsyms {
  return withSample(({ dump, vmcoreinfo, memory }) => {
    const tables = new Map<string, VirtAddr>();
    for (const key of vmcoreinfo.keys()) {
      const name = /^SYMBOL\(kallsyms_(\w+)\)$/.exec(key)?.[1];
      const address = name === undefined ? undefined : vmcoreinfo.symbol(`kallsyms_${name}`);
      if (name !== undefined && address !== undefined) tables.set(name, address);
    }
    const [first, ...rest] = [...tables.values()].sort((a, b) => (a < b ? -1 : 1));
    const index = tables.get('token_index');
    if (first === undefined || index === undefined || rest.length === 0)
      throw new RangeError('the sample has no kallsyms');
    const bytes = memory.readBytes(first, distance(add(index, 512), first));
    const text = Buffer.from(dump.vmcoreinfo ?? []).toString('latin1');
    const lines = text.split('\n').filter((line) => /^SYMBOL\((kallsyms_|_stext)/.test(line));
    return { start: first, bytes, vmcoreinfo: `${lines.join('\n')}\n`, tables };
  });
}

export function sampleBtf(): Uint8Array {
  return withSample((program) => between(program, '__start_BTF', '__stop_BTF'));
}

export function sampleOrc(): { readonly ip: Uint8Array; readonly entries: Uint8Array } {
  return withSample((program) => ({
    ip: between(program, '__start_orc_unwind_ip', '__stop_orc_unwind_ip'),
    entries: between(program, '__start_orc_unwind', '__stop_orc_unwind'),
  }));
}
