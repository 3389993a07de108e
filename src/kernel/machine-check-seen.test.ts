import { describe, expect, it } from 'vitest';
import { KernelImage, struct } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { seenMachineChecks } from './machine-check-seen.ts';

const MEMBERS = {
  status: 'unsigned long long',
  addr: 'unsigned long long',
  mcgstatus: 'unsigned long long',
  ip: 'unsigned long long',
  tsc: 'unsigned long long',
  cs: 'unsigned char',
  bank: 'unsigned char',
} as const;
/** MCIP and EIPV. */
const TAKEN = { mcgstatus: 6, ip: 0x40196b, cs: 0x33, tsc: 0x4764ab29c };
const SCANNED = { ...TAKEN, status: 0xbe00000000000092n, addr: 0x1fb5000, bank: 4 };

function imageOf(...notes: readonly { readonly [member: string]: number | bigint }[]): KernelImage {
  const image = new KernelImage();
  image.struct('mce', MEMBERS);
  image.cpus(notes.length);
  image.perCpu('mces_seen', 'struct mce', notes);
  return image;
}

describe('seenMachineChecks', () => {
  it('tells bank, status and address of the CPU that looked through the banks', () => {
    expect(seenMachineChecks(programOfImage(imageOf({}, SCANNED)))).toMatchObject([
      {
        cpu: 1,
        bank: 4,
        status: 0xbe00000000000092n,
        address: 0x1fb5000n,
        ip: 0x40196bn,
        user: true,
        tsc: 0x4764ab29cn,
      },
    ]);
  });

  it('tells a CPU that took the exception and stopped the kernel at once, in the kernel itself', () => {
    expect(seenMachineChecks(programOfImage(imageOf({ ...TAKEN, cs: 0x10 }, {})))).toMatchObject([
      { cpu: 0, status: 0n, user: false, ip: 0x40196bn },
    ]);
  });

  it('tells no place where the processor says that it has nothing to do with the error', () => {
    expect(seenMachineChecks(programOfImage(imageOf({ ...SCANNED, mcgstatus: 4 })))).toMatchObject([
      { cpu: 0, ip: undefined },
    ]);
  });

  it('reads it around which struct mce_hw_err lies', () => {
    const image = new KernelImage();
    image.struct('mce_hw_err', { m: struct(MEMBERS) });
    image.cpus(2);
    image.perCpu('hw_errs_seen', 'struct mce_hw_err', [{}, { m: SCANNED }]);
    expect(seenMachineChecks(programOfImage(image))).toMatchObject([{ cpu: 1, bank: 4, address: 0x1fb5000n }]);
  });

  it('has nothing of a kernel that takes no machine checks', () => {
    expect(seenMachineChecks(programOfImage(new KernelImage()))).toEqual([]);
  });
});
