/**
 * Messages that were printed where the log's lock could not be taken, and that had not reached the log: per-CPU
 * `struct printk_safe_seq_buf`, `nmi_print_seq` (since 4.7) and `safe_print_seq` (since 4.11), both until 5.14 (commit
 * 93d102f094be), where the log needs no lock any more.
 */
import { type VirtAddr } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';
import { decodeText } from './log-record.ts';

const BUFFERS = ['nmi_print_seq', 'safe_print_seq'];
/** KERN_SOH and a level, in front of a message. */
// oxlint-disable-next-line no-control-regex
const LEVEL = /^\u0001([0-7cd])/;

export interface SafeBuffer {
  readonly name: string;
  readonly cpu: number;
  /** `struct printk_safe_seq_buf *`. */
  readonly address: VirtAddr;
  /** Bytes in it. */
  readonly length: number;
  /** Messages that had no room. */
  readonly lost: number;
  /** Without their levels. */
  readonly lines: readonly string[];
}

/**
 * The buffers of all possible CPUs, `struct printk_safe_seq_buf`; none in kernels without.
 * @throws FaultError, LookupError, ValidationError
 */
export function safeBuffers(program: Program): readonly SafeBuffer[] {
  return BUFFERS.flatMap((name) => {
    const symbol = program.symbols.kernel.lookup(name);
    if (symbol === undefined) return [];
    const field = (path: string) => program.field('struct printk_safe_seq_buf', path);
    const [length, lost, buffer] = [field('len.counter'), field('message_lost.counter'), field('buffer')];
    return cpus(program, 'possible').map((cpu): SafeBuffer => {
      const address = program.perCpuAddress(symbol.address, cpu);
      const size = length.number(address);
      if (size < 0 || size > buffer.size)
        throw new ValidationError('struct printk_safe_seq_buf', address, `has ${size} bytes`);
      const text = decodeText(program.memory.readBytes(buffer.address(address), size));
      const lines = text
        .replace(/\n$/, '')
        .split('\n')
        .map((line) => line.replace(LEVEL, ''));
      return { name, cpu, address, length: size, lost: lost.number(address), lines: size === 0 ? [] : lines };
    });
  });
}
