/** A base made of a machine: its pages, its notes, VMCOREINFO, and changes that only memory of kernels knows. */
import type { Program } from '../../src/program/program.ts';
import { hexOf, valueAt } from '../extremes.ts';
import type { Base, Field, Op, Parts, Summary } from '../input.ts';
import { changedDump, type Machine, pagesRead, type Read, RecordingMemory, STATES } from './pages.ts';

const KERNEL = 0xffff800000000000n;
/** Bytes. */
const MAX_OBJECT = 16384n;

/** What is done with an open dump; the same on the sound one, to learn what it reads. */
export type Use = (program: Program) => Summary;

/** Names and lines of logs that whoever ran on the machine may have chosen. */
const NASTY = [
  '\x1b[31mred\x1b[0m',
  '\x1b]0;title\x07',
  'a\nb\r\nc',
  '\u009b31m',
  '\u202eevil\u2066',
  '\u200b\u200f\ufeff',
  '\u2028\u2029',
  '\x00\x01\x02\x7f',
  '"\\\'`',
  '</script><b>',
  '\xff\xfe\xfd',
  '%s%n${x}',
  'A'.repeat(64),
  '<6>[    0.000000] fake',
];

/** @param opening - the pages that opening reads, symbols and types, may be changed too: such a dump is opened anew, as people do */
export function machineBase(machine: Machine, use: Use, opening: boolean): Base {
  const { reads, frames, types } = recorded(machine, use);
  const changeable = [...frames, ...machine.opening].filter((frame) => opening || !machine.opening.has(frame));
  const parts = pagesRead(machine.dump, new Set(changeable));
  const pages = new Set(parts.keys());
  parts.set('states', new Uint8Array(0));
  if (opening) parts.set('vmcoreinfo', Uint8Array.from(machine.dump.vmcoreinfo ?? []));
  machine.dump.notes.forEach((note, i) => parts.set(`note ${i}`, Uint8Array.from(note.desc)));
  const names = new Set(parts.keys());
  const all = [...reads.flatMap(fieldsOf), ...noteFields(machine), ...machine.typeFields(types)];
  const fields = all.filter(({ part }) => names.has(part));
  const run = (changed: Parts): Summary => {
    const dump = changedDump(machine.dump, changed, names);
    const opens = !sameOpening(machine, parts, changed, pages);
    return use(opens ? machine.open(dump) : machine.reopen(dump));
  };
  const changed = reads.filter(({ frame }) => names.has(String(frame)));
  const special = specialOf(changed, [...pages], objectsOf(changed, parts));
  return { parts, fields, texts: opening ? ['vmcoreinfo'] : [], fixed: true, special, run };
}

/** True when nothing was changed that is read before the first symbol is known. */
function sameOpening(
  machine: Machine,
  parts: ReadonlyMap<string, Uint8Array>,
  changed: Parts,
  pages: ReadonlySet<string>,
): boolean {
  if (changed.get('vmcoreinfo') !== parts.get('vmcoreinfo')) return false;
  const states = Buffer.from(changed.get('states'));
  for (let at = 0; at + 8 <= states.length; at += 8) if (machine.opening.has(states.readUInt32LE(at))) return false;
  for (const frame of machine.opening) {
    const name = String(frame);
    if (pages.has(name) && changed.get(name) !== parts.get(name)) return false;
  }
  return true;
}

interface Recorded {
  readonly reads: readonly Read[];
  readonly frames: ReadonlySet<number>;
  /** Names that types were asked for by. */
  readonly types: ReadonlySet<string>;
}

function recorded(machine: Machine, use: Use): Recorded {
  const reads = new Map<string, Read>();
  const frames = new Set<number>();
  const dump = {
    ...changedDump(machine.dump, { get: () => new Uint8Array(0) }, new Set()),
    readPage: (frame: Parameters<Machine['dump']['readPage']>[0], into: Uint8Array) => {
      frames.add(frame);
      return machine.dump.readPage(frame, into);
    },
  };
  const program = machine.reopen(dump, (physical, arch) => {
    const memory = new RecordingMemory(physical, arch);
    Object.defineProperty(memory, 'reads', { value: reads });
    return memory;
  });
  const types = new Set<string>();
  const tryFind = program.types.tryFind.bind(program.types);
  Object.defineProperty(program.types, 'tryFind', {
    value(name: string) {
      types.add(name.replace(/^(struct|union|enum) /, '').replace(/[ *]+$/, ''));
      return tryFind(name);
    },
  });
  use(program);
  return { reads: [...reads.values()], frames, types };
}

/** Of longer reads the first words, and some of the rest. */
function fieldsOf({ frame, at, size, virtual, place }: Read): readonly Field[] {
  const part = String(frame);
  if (size === 1 || size === 2 || size === 4) return [{ part, at, size, role: 'count', group: place }];
  const role = isPointer(virtual) ? 'address' : 'value';
  if (size === 8) return [{ part, at, size, role, group: place }];
  const step = Math.max(8, Math.floor(size / 64) * 8);
  const fields: Field[] = [];
  for (let offset = 0; offset + 8 <= size && at + offset + 8 <= 4096; offset += step) {
    fields.push({ part, at: at + offset, size: 8, role, group: place });
  }
  return fields;
}

function isPointer(virtual: bigint): boolean {
  return virtual % 8n === 0n;
}

function noteFields({ dump }: Machine): readonly Field[] {
  return dump.notes.flatMap(({ desc }, i) =>
    Array.from({ length: Math.min(desc.length >> 3, 42) }, (_, word): Field => {
      return { part: `note ${i}`, at: word * 8, size: 8, role: 'address', group: 'notes' };
    }),
  );
}

/** Where things begin that pointers lead to, ascending. */
function objectsOf(reads: readonly Read[], parts: ReadonlyMap<string, Uint8Array>): readonly bigint[] {
  const objects = new Set<bigint>();
  for (const { frame, at, size } of reads) {
    const page = parts.get(String(frame));
    if (size !== 8 || page === undefined || at + 8 > page.length) continue;
    const value = valueAt(page, at, 8);
    if (value >= KERNEL) objects.add(value);
  }
  return [...objects].sort((a, b) => (a < b ? -1 : 1));
}

/** The thing in which an address lies, as far as can be told; else the address. */
function objectOf(objects: readonly bigint[], address: bigint): bigint {
  let low = 0;
  let high = objects.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((objects[middle] ?? 0n) <= address) low = middle + 1;
    else high = middle;
  }
  const object = objects[low - 1];
  return object !== undefined && address - object < MAX_OBJECT ? object : address;
}

/** Pages that are not there; pointers to other things that are read, so that lists and trees meet themselves; names. */
function specialOf(
  reads: readonly Read[],
  pages: readonly string[],
  objects: readonly bigint[],
): NonNullable<Base['special']> {
  const pointers = reads.filter(({ size }) => size === 8);
  const texts = reads.filter(({ size }) => size > 8);
  const byPlace = Map.groupBy(pointers, ({ place }) => place);
  const textsByPlace = Map.groupBy(texts, ({ place }) => place);
  const places = [...byPlace.keys()];
  const textPlaces = [...textsByPlace.keys()];
  return (random): readonly Op[] => {
    const pick = <T>(list: readonly T[]): T | undefined => list[random.below(list.length)];
    const kind = random.below(6);
    if (kind === 0) {
      const frame = Number(pick(pages) ?? 0);
      const bytes = hexOf(BigInt(frame), 4) + hexOf(BigInt(random.below(STATES.length)), 4);
      return [{ op: 'insert', part: 'states', at: 0, bytes }];
    }
    if (kind === 1) {
      const text = pick(textsByPlace.get(pick(textPlaces) ?? '') ?? []);
      if (text === undefined) return [];
      const at = text.at + random.below(Math.min(text.size, 64));
      const bytes = Buffer.from(pick(NASTY) ?? '', random.below(2) === 0 ? 'utf8' : 'latin1').toString('hex');
      return [{ op: 'set', part: String(text.frame), at, bytes }];
    }
    const place = byPlace.get(pick(places) ?? '') ?? [];
    const pointer = pick(place);
    // Mostly of the same place: an object of the same kind, as a whole or where it is linked.
    const target = kind === 2 ? pick(pointers) : pick(place);
    if (pointer === undefined || target === undefined) return [];
    const shift = BigInt(random.below(3) * 8 - 8);
    const at = kind < 4 ? objectOf(objects, target.virtual) : target.virtual + (kind === 4 ? shift : 0n);
    return [{ op: 'set', part: String(pointer.frame), at: pointer.at, bytes: hexOf(at, 8) }];
  };
}
