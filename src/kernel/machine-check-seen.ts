/**
 * What each CPU noted of the last machine check exception that it took: `mces_seen` of arch/x86/kernel/cpu/mce/core.c, a
 * per-CPU `struct mce`; in 7.2 `hw_errs_seen`, a `struct mce_hw_err` around one. Bank and status are in it only where the
 * kernel looked through the banks before it stopped: not for an error of one CPU alone (`lmce`), which stops it at once.
 * Kernels without CONFIG_X86_MCE, as Debian's cloud kernels until 6.1, have none of it.
 */
import { phys, type PhysAddr, type VirtAddr, virt } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';

export interface SeenMachineCheck {
  readonly cpu: number;
  /** `struct mce *`. */
  readonly at: VirtAddr;
  readonly bank: number;
  /** `MCi_STATUS`; 0 where the banks were not looked through. */
  readonly status: bigint;
  readonly address: PhysAddr;
  readonly tsc: bigint;
  /** Where the CPU was, and whether that is user space; undefined where the processor did not say. */
  readonly ip: VirtAddr | undefined;
  readonly user: boolean;
}

/** MCG_STATUS: a machine check is in progress; the instruction pointer has to do with it. */
const MCIP = 1n << 2n;
const EIPV = 1n << 1n;

/**
 * The CPUs that took a machine check exception.
 * @returns what each noted, `struct mce`; empty where none did, or where this kernel cannot
 * @throws FaultError
 */
export function seenMachineChecks(program: Program): readonly SeenMachineCheck[] {
  const plain = program.trySymbol('mces_seen');
  const symbol = plain ?? program.trySymbol('hw_errs_seen');
  if (symbol === undefined) return [];
  const [type, inside] = plain === undefined ? ['struct mce_hw_err', 'm.'] : ['struct mce', ''];
  const field = (name: string): ReturnType<Program['field']> => program.field(type, `${inside}${name}`);
  return cpus(program, 'online').flatMap((cpu): readonly SeenMachineCheck[] => {
    const at = attempt(() => program.perCpuAddress(symbol.address, cpu));
    const global = at === undefined ? undefined : attempt(() => field('mcgstatus').u64(at));
    if (at === undefined || global === undefined || (global & MCIP) === 0n) return [];
    const user = (field('cs').number(at) & 3) === 3;
    return [
      {
        cpu,
        at,
        bank: field('bank').number(at),
        status: field('status').u64(at),
        address: phys(field('addr').u64(at)),
        tsc: field('tsc').u64(at),
        ip: (global & EIPV) === 0n ? undefined : virt(field('ip').u64(at)),
        user,
      },
    ];
  });
}
