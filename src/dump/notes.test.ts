import { describe, expect, it } from 'vitest';
import { elfFile, filledPage, noteBytes } from '../../test/builders/elf-file.ts';
import { memorySource } from './byte-source.ts';
import { MAX_NOTES, parseNotes } from './notes.ts';
import { openSource } from './open.ts';

/** Notes of 16 bytes each. */
function manyNotes(count: number): Uint8Array {
  const one = noteBytes([{ name: '', type: 1, desc: new Uint8Array(0) }]);
  const all = new Uint8Array(one.length * count);
  for (let at = 0; at < all.length; at += one.length) all.set(one, at);
  return all;
}

describe('parseNotes', () => {
  it('reads no more notes than a machine has CPUs for, and says so', () => {
    expect(parseNotes(manyNotes(MAX_NOTES))).toMatchObject({ problem: undefined });
    const { notes, problem } = parseNotes(manyNotes(MAX_NOTES + 1));
    expect(notes.length).toBe(MAX_NOTES);
    expect(problem).toMatch(/more than \d+ ELF notes/);
    expect(parseNotes(manyNotes(10), 9).notes.length).toBe(9);
  });

  it('reads so many of all segments together', () => {
    // Two segments with notes, each with fewer than the most.
    const segment = { paddr: 0x1000, data: filledPage(1) };
    const notes = manyNotes(MAX_NOTES - 1);
    const file = Buffer.from(elfFile({ segments: [segment, { paddr: 0, data: notes }] }));
    file.writeUInt32LE(4, 64 + 2 * 56);
    const twice = Buffer.from(elfFile({ segments: [segment, { paddr: 0, data: notes }, { paddr: 0, data: notes }] }));
    for (const header of [2, 3]) twice.writeUInt32LE(4, 64 + header * 56);
    expect(openSource(memorySource(file), 'test').problems).toEqual([]);
    const dump = openSource(memorySource(twice), 'test');
    expect(dump.notes.length).toBe(MAX_NOTES);
    expect(dump.problems.join()).toMatch(/more than \d+ ELF notes/);
  });
});
