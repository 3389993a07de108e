/**
 * Machine checks in the log: what the processor said of broken hardware (`print_mce()` of arch/x86/kernel/cpu/mce/core.c).
 * The bits of a bank's status are those of the processor manuals (MCi_STATUS), the same for Intel and AMD. What the vendors'
 * own bits mean is not decoded.
 */
import { phys, type PhysAddr } from '../base/address.ts';
import type { Nanoseconds } from '../base/units.ts';
import { kernelLines } from './kernel-lines.ts';
import type { LogRecord } from './log-record.ts';

export interface MachineCheck {
  readonly headline: string;
  readonly timeNs: Nanoseconds | undefined;
  readonly cpu: number;
  readonly bank: number;
  /** `MCi_STATUS`. */
  readonly status: bigint;
  /** UC, bit 61: the hardware could not correct it. */
  readonly uncorrected: boolean;
  /** PCC, bit 57: what the processor was doing is lost. */
  readonly contextCorrupt: boolean;
  /** Physical address where the error is; undefined where the bank has none (ADDRV, bit 58). */
  readonly address: PhysAddr | undefined;
  /** Time stamp counter at the error; undefined where the log has none. */
  readonly tsc: bigint | undefined;
}

const LINE =
  /^(?:mce: )?\[Hardware Error\]: CPU (\d{1,5}): Machine Check(?: Exception)?: [0-9a-f]+ Bank (\d{1,3}): ([0-9a-f]{16})/i;
const ADDRESS = /^(?:mce: )?\[Hardware Error\]: .*\bADDR ([0-9a-f]{1,16})\b/;
const TSC = /^(?:mce: )?\[Hardware Error\]: .*\bTSC ([0-9a-f]{1,16})\b/;
/** Lines of the same error behind its first. */
const FOLLOWING = 4;
const bit = (status: bigint, number: bigint): boolean => ((status >> number) & 1n) === 1n;

/**
 * The machine checks of the log, oldest first.
 * @param records - the log, `struct printk_info` and text
 */
export function machineChecks(records: readonly LogRecord[]): readonly MachineCheck[] {
  const lines = kernelLines(records);
  return lines.flatMap(({ text, timeNs }, i): readonly MachineCheck[] => {
    const [, cpu, bank, word] = LINE.exec(text) ?? [];
    if (cpu === undefined || bank === undefined || word === undefined) return [];
    const status = BigInt(`0x${word}`);
    let found: string | undefined;
    let tsc: string | undefined;
    for (const line of lines.slice(i + 1, i + 1 + FOLLOWING)) {
      if (LINE.test(line.text)) break;
      found ??= ADDRESS.exec(line.text)?.[1];
      tsc ??= TSC.exec(line.text)?.[1];
    }
    return [
      {
        headline: text,
        timeNs,
        cpu: Number(cpu),
        bank: Number(bank),
        status,
        uncorrected: bit(status, 61n),
        contextCorrupt: bit(status, 57n),
        address: found === undefined || !bit(status, 58n) ? undefined : phys(BigInt(`0x${found}`)),
        tsc: tsc === undefined ? undefined : BigInt(`0x${tsc}`),
      },
    ];
  });
}
