/**
 * Traces of a kernel in memory that says nothing about itself: texts of VMCOREINFO, banners (program/bootstrap-scan), and
 * page tables of virtual CPUs in QEMU's notes (program/bootstrap-cpus); compared with a search through all bytes.
 */
import { memorySource } from '../../src/dump/byte-source.ts';
import { parseNotes } from '../../src/dump/notes.ts';
import { openRaw } from '../../src/dump/raw.ts';
import { cpuPaging } from '../../src/program/bootstrap-cpus.ts';
import { kernelTraces } from '../../src/program/bootstrap-scan.ts';
import { noteBytes } from '../../test/builders/elf-file.ts';
import type { Base, Field, Op, Parts, Summary } from '../input.ts';
import { Random } from '../random.ts';
import type { Target } from '../target.ts';
import { check, checkSame } from '../violation.ts';
import { noteFields } from './note-fields.ts';

const PAGE = 4096;
const TEXT = 'OSRELEASE=6.1.0-fuzz\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81000000\n';
const BANNER = 'Linux version 6.1.0-fuzz (fuzz@fuzz) (gcc-12) #1 SMP fuzz\n\0';
/** As many as are told at most. */
const [MOST_TEXTS, MOST_BANNERS] = [64, 16];

/** Every text and banner by its place; a page of zeros and what is behind the end are read as nothing. */
function modelTraces(file: Uint8Array): readonly string[] {
  const whole = Math.floor(file.length / PAGE) * PAGE;
  const bytes = Buffer.from(file.subarray(0, whole));
  const isThere = (page: number): boolean =>
    page + PAGE <= whole && bytes.subarray(page, page + PAGE).some((byte) => byte !== 0);
  const behind = (at: number, length: number): string => {
    const next = (Math.floor(at / PAGE) + 1) * PAGE;
    return bytes.toString('latin1', at, Math.min(at + length, isThere(next) ? next + PAGE : next));
  };
  const found: string[] = [];
  for (let page = 0; page < whole; page += PAGE) {
    if (!isThere(page)) continue;
    for (const at of [page, page + 24]) {
      if (!bytes.toString('latin1', at, at + 10).startsWith('OSRELEASE=')) continue;
      const [text = ''] = behind(at, PAGE).split('\0', 1);
      found.push(`vmcoreinfo ${at} ${text}`);
    }
  }
  for (let at = bytes.indexOf('Linux version '); at >= 0 && at < whole; at = bytes.indexOf('Linux version ', at + 1)) {
    // The end of the page in which its last word ends is as far as is looked.
    const page = Math.floor((at + 13) / PAGE) * PAGE;
    const text = behind(page, 2 * PAGE);
    const line = bytes.toString('latin1', at, page) + text.slice(Math.max(0, at - page));
    if (/^Linux version \d+\.\d+[^\n\0]{8,500}\n\0/.test(line.slice(0, 512))) found.push(`banner ${at}`);
  }
  return found.sort();
}

function modelCpus(notes: ReturnType<typeof parseNotes>['notes']): readonly string[] {
  const found: string[] = [];
  let cpu = -1;
  for (const { name, type, desc } of notes) {
    if (name !== 'QEMU' || type !== 0 || desc.length < 432) continue;
    cpu++;
    const state = Buffer.from(desc);
    const [cr0, cr3, cr4] = [392, 416, 424].map((at) => state.readBigUInt64LE(at));
    if (cr0 === undefined || cr3 === undefined || cr4 === undefined) continue;
    if (state.readUInt32LE(0) !== 1 || ((cr0 >> 31n) & 1n) === 0n || ((cr4 >> 5n) & 1n) === 0n) continue;
    const levels = ((cr4 >> 12n) & 1n) === 1n ? 5 : 4;
    const table = BigInt.asUintN(52, cr3) >> 12n;
    for (const frame of [table - (table & 1n), table]) {
      const line = `${frame << 12n} ${levels}`;
      if (!found.some((other) => other.endsWith(` ${line}`))) found.push(`${cpu} ${line}`);
    }
  }
  return found;
}

function run(parts: Parts): Summary {
  const file = parts.get('memory');
  const traces = [...kernelTraces(openRaw(memorySource(file)))].map((trace) =>
    trace.kind === 'banner'
      ? `banner ${trace.at}`
      : `vmcoreinfo ${trace.at} ${Buffer.from(trace.text).toString('latin1')}`,
  );
  const wanted = modelTraces(file);
  const banners = wanted.filter((line) => line.startsWith('banner')).length;
  check(traces.length <= MOST_TEXTS + MOST_BANNERS, () => `${traces.length} traces`);
  if (banners <= MOST_BANNERS && wanted.length - banners <= MOST_TEXTS) {
    checkSame('traces', traces.sort().join('; '), wanted.join('; '));
  }
  const { notes } = parseNotes(parts.get('notes'));
  const cpus = cpuPaging(notes);
  const model = modelCpus(notes);
  const told = cpus.map(({ cpu, root, levels }) => `${cpu} ${root} ${levels}`);
  checkSame('page tables', told.join(), model.slice(0, 64).join());
  return [traces.length, banners, cpus.length, cpus.some(({ levels }) => levels === 5) ? 'five' : 'four'];
}

function cpuState(random: Random): Uint8Array {
  const state = Buffer.from(random.bytes(random.pick([440, 440, 432, 431, 100])));
  if (state.length < 432) return state;
  state.writeUInt32LE(random.chance(0.9) ? 1 : 2, 0);
  state.writeBigUInt64LE(random.chance(0.9) ? 1n << 31n : 1n, 392);
  state.writeBigUInt64LE(BigInt(random.below(6)) << 12n, 416);
  state.writeBigUInt64LE(random.pick([0x20n, 0x1020n, 0x10n]), 424);
  return state;
}

function baseOf(name: string): Base {
  const random = new Random(name);
  const memory = new Uint8Array(random.between(1, 8) * PAGE);
  const places: number[] = [];
  const put = (text: string, at: number): void => {
    memory.set(Buffer.from(text).subarray(0, Math.max(0, memory.length - at)), at);
    places.push(at);
  };
  for (let i = random.below(4); i > 0; i--) memory.set(random.bytes(200), random.below(memory.length - 200));
  for (let i = random.below(3); i > 0; i--)
    put(TEXT, random.below(memory.length / PAGE) * PAGE + random.pick([0, 24, 24, 8]));
  // Within a page, across its end, at the end of all.
  for (let i = random.below(4); i > 0; i--) {
    put(
      BANNER,
      Math.max(0, (1 + random.below(memory.length / PAGE)) * PAGE - random.below(random.pick([20, 80, 4000]))),
    );
  }
  const states = Array.from({ length: random.below(4) }, () => ({ name: 'QEMU', type: 0, desc: cpuState(random) }));
  const notes = noteBytes(states);
  const fields: Field[] = [...noteFields('notes', notes, 0, notes.length)];
  for (const at of places) fields.push({ part: 'memory', at, size: 1, role: 'value', group: 'texts' });
  const special = (chance: { below(count: number): number }): readonly Op[] => {
    const text = [TEXT, BANNER, BANNER.slice(0, 20), '\n\0'][chance.below(4)] ?? '';
    const at = chance.below(memory.length);
    return [{ op: 'set', part: 'memory', at, bytes: Buffer.from(text).toString('hex') }];
  };
  const parts = new Map([
    ['memory', memory],
    ['notes', notes],
  ]);
  return { parts, fields, special, run };
}

export const traces: Target = {
  name: 'traces',
  reads: 'traces of a kernel in memory and in notes of virtual CPUs (program/bootstrap-scan, program/bootstrap-cpus)',
  throws: [],
  bases: [{ name: 'memory#', weight: 1 }],
  allocates: { fixed: 4 * 2 ** 20, perByte: 64 },
  base: baseOf,
};
