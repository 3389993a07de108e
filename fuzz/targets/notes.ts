/** ELF notes, and the registers in NT_PRSTATUS: parsing never throws, registers give a typed error. */
import { FormatError } from '../../src/base/errors.ts';
import { encodeNotes, pageSizeOf, parseNotes, vmcoreinfoNote } from '../../src/dump/notes.ts';
import { prstatusRegisters } from '../../src/program/arch/x86-64-registers.ts';
import { noteBytes, type NoteSpec } from '../../test/builders/elf-file.ts';
import type { Base, Parts, Summary } from '../input.ts';
import { modelNotes } from '../models/note-model.ts';
import { Random } from '../random.ts';
import type { Target } from '../target.ts';
import { checkBytes, checkSame } from '../violation.ts';
import { noteFields } from './note-fields.ts';

const NAMES = ['CORE', 'LINUX', 'QEMU', 'VMCOREINFO', 'XEN', 'a', ''];

function notesOf(random: Random): readonly NoteSpec[] {
  return Array.from({ length: random.below(6) }, () => ({
    name: random.pick(NAMES),
    type: random.below(10),
    desc: random.bytes(random.pick([0, 1, 3, 4, 200, 336, 340])),
  }));
}

function run(parts: Parts): Summary {
  const bytes = parts.get('notes');
  const { notes, problem } = parseNotes(bytes);
  const wanted = modelNotes(bytes);
  checkSame('notes', notes.length, wanted.notes.length);
  checkSame('a problem', problem === undefined, wanted.whole);
  const sizes = { aarch64: pageSizeOf(vmcoreinfoNote(notes), 'aarch64'), x86_64: pageSizeOf(undefined, 'x86_64') };
  const summary: (string | number)[] = [notes.length, problem ?? 'whole', sizes.aarch64];
  notes.forEach(({ name, type, desc }, i) => {
    checkSame(`name of note ${i}`, name, wanted.notes[i]?.name);
    checkSame(`type of note ${i}`, type, wanted.notes[i]?.type);
    checkSame(`descriptor of note ${i}`, Buffer.from(desc).toString('hex'), wanted.notes[i]?.desc);
    try {
      summary.push(prstatusRegisters(desc).user ? 'user' : 'kernel');
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      summary.push('short');
    }
  });
  // What was read can be written, and is read alike.
  const again = parseNotes(encodeNotes(notes)).notes;
  checkSame('notes, read again', again.length, notes.length);
  again.forEach(({ name, desc }, i) => {
    checkSame(`name of note ${i}, read again`, name, notes[i]?.name);
    checkBytes(`descriptor of note ${i}, read again`, desc, notes[i]?.desc);
  });
  return summary;
}

export const notes: Target = {
  name: 'notes',
  reads: 'ELF notes and NT_PRSTATUS (dump/notes, program/arch)',
  throws: [],
  bases: [{ name: 'notes#', weight: 1 }],
  allocates: { fixed: 2 ** 16, perByte: 64 },
  base(name): Base {
    const bytes = noteBytes(notesOf(new Random(name)));
    return { parts: new Map([['notes', bytes]]), fields: noteFields('notes', bytes, 0, bytes.length), run };
  },
};
