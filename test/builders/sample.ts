/** The sample dump written again in another form: other compression, header version, or as files of a split dump. */
import { join } from 'node:path';
import { pfn } from '../../src/base/address.ts';
import { openDump } from '../../src/dump/open.ts';
import { kdumpFile, type KdumpSpec } from './kdump-file.ts';

export const SAMPLE = join(import.meta.dirname, '../../samples/hung-6.1.vmcore');

/** What is in the sample, for `kdumpFile`. */
export function sampleSpec(): KdumpSpec {
  const dump = openDump(SAMPLE);
  try {
    const pages = new Map<number, Uint8Array>();
    for (let at = dump.nextInFile(pfn(0)); at !== undefined; at = dump.nextInFile(pfn(at + 1))) {
      const page = new Uint8Array(dump.pageSize);
      dump.readPage(at, page);
      pages.set(at, page);
    }
    const excluded: number[] = [];
    for (let frame = 0; frame < dump.maxPfn; frame++) if (dump.status(pfn(frame)) === 'excluded') excluded.push(frame);
    return {
      maxPfn: dump.maxPfn,
      pages,
      excluded,
      physBase: dump.physBase ?? 0n,
      dumpLevel: dump.dumpLevel ?? 0,
      vmcoreinfo: Buffer.from(dump.vmcoreinfo ?? []).toString('latin1'),
      notes: dump.notes.filter(({ name }) => name !== 'VMCOREINFO'),
    };
  } finally {
    dump.close();
  }
}

export function sampleAs(part: Partial<KdumpSpec>, spec = sampleSpec()): Uint8Array {
  return kdumpFile({ ...spec, ...part });
}
