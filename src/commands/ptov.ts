/** `ptov`: a physical address in the direct map; an offset of per-CPU data on CPUs. */
import { add, parseAddress, phys, virt } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { cpus } from '../kernel/cpus.ts';
import { defineCommand } from '../model/command.ts';
import { address } from '../model/value.ts';
import { parseCpus } from '../shell/arguments.ts';
import { hex16 } from '../shell/format.ts';

export default defineCommand({
  name: 'ptov',
  summary: 'physical to virtual, and per-CPU offsets to virtual',
  options: [],
  arguments: [{ name: 'address | offset:cpus', kinds: ['address'], repeated: true }],
  examples: [
    { line: 'ptov 56e000', what: 'where the direct map has it' },
    { line: 'ptov 1a0c0:a', what: 'per-CPU data on all CPUs' },
  ],
  run({ program }, args) {
    if (args.positionals.length === 0) throw new UsageError('usage: ptov address | offset:cpus ...');
    return {
      shape: 'list',
      items: args.positionals.map((text) => {
        const [number = '', list] = text.split(':');
        const value = parseAddress(number);
        if (value === undefined) throw new UsageError(`'${number}' is no address`);
        if (list !== undefined) {
          const rows = parseCpus(list, cpus(program, 'possible')).map((cpu) => ({
            cpu,
            at: program.perCpuAddress(value, cpu),
          }));
          return {
            shape: 'lines',
            lines: [
              `PER-CPU OFFSET: ${value.toString(16)}`,
              '  CPU    VIRTUAL',
              ...rows.map(({ cpu, at }) => `${`[${cpu}]`.padStart(5)}  ${hex16(at)}`),
            ],
            data: () => rows.map(({ cpu, at }) => ({ cpu, address: address(at) })),
          };
        }
        // `page_offset_base` since 4.8; without it the direct map begins where it always did.
        const symbol = program.symbols.kernel.lookup('page_offset_base');
        const base = symbol === undefined ? virt(0xffff888000000000n) : program.memory.readPointer(symbol.address);
        const at = add(base, phys(value));
        return {
          shape: 'lines',
          lines: ['VIRTUAL           PHYSICAL', `${hex16(at)}  ${value.toString(16)}`],
          data: () => ({ address: address(at), physical: `0x${value.toString(16)}` }),
        };
      }),
    };
  },
});
