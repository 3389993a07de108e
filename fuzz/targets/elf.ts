/** ELF vmcores: hand-built ones with segments that are ragged, overlap, or end early; compared with a slow reading. */
import { memorySource } from '../../src/dump/byte-source.ts';
import { openSource } from '../../src/dump/open.ts';
import { elfFile, type NoteSpec, type SegmentSpec, vmcoreinfoSpec } from '../../test/builders/elf-file.ts';
import type { Base, Field, Parts, Summary } from '../input.ts';
import { elfModel } from '../models/elf-model.ts';
import { Random } from '../random.ts';
import type { Target } from '../target.ts';
import { checkSame } from '../violation.ts';
import { exerciseDump } from './dump.ts';
import { noteFields } from './note-fields.ts';

const INFO = 'OSRELEASE=6.1.0-fuzz\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81000000\nNUMBER(phys_base)=16777216\n';

function randomSegments(random: Random): readonly SegmentSpec[] {
  const ragged = random.chance(0.3);
  return Array.from({ length: random.between(1, 7) }, (_, i) => {
    const pages = random.between(0, 3);
    const size = pages * 4096 + (ragged ? random.below(4096) : 0);
    const data = new Uint8Array(size);
    // Pages of zeros, of one byte, of noise.
    for (let at = 0; at < size; at += 4096) {
      const fill = random.below(3);
      data.set(fill === 2 ? random.bytes(Math.min(64, size - at)) : [], at);
      if (fill === 1) data.fill(random.below(256), at, at + 4096);
    }
    const paddr = random.below(random.chance(0.2) ? 4 : 24) * 4096 + (ragged ? random.below(4096) : 0);
    const memsz = size + (random.chance(0.4) ? random.below(3) * 4096 : 0) + (i === 0 ? 4096 : 0);
    const vaddr = random.pick([0n, 0xffff888000000000n + BigInt(paddr), 0xffffffff81000000n + BigInt(i * 4096)]);
    return { paddr, data, memsz, vaddr };
  });
}

export function randomElf(random: Random): Uint8Array {
  const notes: NoteSpec[] = [];
  for (let i = random.below(4); i > 0; i--) {
    notes.push({
      name: random.pick(['CORE', 'LINUX', 'QEMU']),
      // Type 4 of CORE is /proc/kcore's.
      type: random.pick([0, 1, 2, 3, 5, 6, 7]),
      desc: random.bytes(random.below(400)),
    });
  }
  // A process' core has the notes 3 and 6, and no VMCOREINFO.
  notes.push(vmcoreinfoSpec(INFO));
  return elfFile({
    segments: randomSegments(random),
    notes,
    machine: random.chance(0.2) ? 183 : 62,
    flags: random.chance(0.2) ? 1 : 0,
    extendedCount: random.chance(0.15),
  });
}

function fieldsOf(file: Uint8Array): readonly Field[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const fields: Field[] = [];
  const field = (group: string, at: number, size: Field['size'], role: Field['role']): void => {
    fields.push({ part: 'file', at, size, role, group });
  };
  field('ident', 4, 1, 'kind');
  field('ident', 5, 1, 'kind');
  field('ident', 16, 2, 'kind');
  field('ident', 18, 2, 'kind');
  field('table', 32, 8, 'offset');
  field('table', 40, 8, 'offset');
  field('table', 48, 4, 'flags');
  field('table', 54, 2, 'length');
  field('table', 56, 2, 'count');
  const sections = Number(view.getBigUint64(40, true));
  if (sections !== 0) field('table', sections + 44, 4, 'count');
  const count = sections === 0 ? view.getUint16(56, true) : view.getUint32(sections + 44, true);
  for (let i = 0; i < count; i++) {
    const at = 64 + i * 56;
    const group = i === 0 ? 'notes segment' : 'segment';
    field(`${group} type`, at, 4, 'kind');
    field(group, at + 8, 8, 'offset');
    field(group, at + 16, 8, 'address');
    field(group, at + 24, 8, 'address');
    field(group, at + 32, 8, 'length');
    field(group, at + 40, 8, 'length');
  }
  const at = Number(view.getBigUint64(64 + 8, true));
  fields.push(...noteFields('file', file, at, Number(view.getBigUint64(64 + 32, true))));
  return fields;
}

function run(parts: Parts, pristine: boolean): Summary {
  const file = parts.get('file');
  const dump = openSource(memorySource(file), 'fuzz');
  if (dump.format !== 'elf') return ['other format'];
  if (pristine) {
    checkSame('problems', dump.problems.filter((line) => !line.includes('incomplete')).length, 0);
    checkSame('VMCOREINFO', Buffer.from(dump.vmcoreinfo ?? []).toString('latin1'), INFO);
  }
  return exerciseDump(
    dump,
    elfModel(file, dump.pageSize),
    Array.from({ length: 30 }, (_, i) => i),
  );
}

export const elf: Target = {
  name: 'elf',
  reads: 'ELF vmcores (dump/elf)',
  throws: ['usage', 'format'],
  bases: [{ name: 'elf#', weight: 1 }],
  allocates: { fixed: 2 ** 20, perByte: 64 },
  base(name): Base {
    const file = randomElf(new Random(name));
    return { parts: new Map([['file', file]]), fields: fieldsOf(file), run };
  },
};
