/** ORC unwind tables of each version, hand-built and of the real sample; compared with a search from the first entry on. */
import { add, virt, type VirtAddr } from '../../src/base/address.ts';
import { decodeOrcEntry, detectOrcVersion, type OrcEntry, OrcTable, type OrcVersion } from '../../src/debuginfo/orc.ts';
import type { SymbolTable } from '../../src/debuginfo/symbol.ts';
import { PieceMemory } from '../../test/builders/memory.ts';
import type { Base, Field, Parts, Summary } from '../input.ts';
import { Random } from '../random.ts';
import { Tally } from '../tally.ts';
import type { Target } from '../target.ts';
import { check, checkSame } from '../violation.ts';
import { sampleOrc } from './sample-tables.ts';

const TEXT = virt(0xffffffff81000000n);
const RODATA = virt(0xffffffff82000000n);
const ENTRIES = virt(0xffffffff84000000n);
const HEADER = virt(0xffffffff86000000n);
const HASHES = ['db84aed4', 'fe5d32bf', '137c36ad'];

/** `knobs`: number of entries, version, a page that is missing, where in its page the table begins, in words. */
function knobs(count: number, version: number, place: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(place, 6);
  bytes.writeUInt32LE(count);
  bytes[4] = version;
  bytes[5] = 255;
  return new Uint8Array(bytes);
}

function partsOf(name: string): ReadonlyMap<string, Uint8Array> {
  const random = new Random(name);
  const header = Uint8Array.from(Buffer.from(random.pick(HASHES).padEnd(40, '0'), 'hex'));
  if (name === 'sample') {
    const { ip, entries } = sampleOrc();
    return new Map([
      ['ip', ip],
      ['entries', entries],
      ['header', header],
      ['knobs', knobs(ip.length / 4, 1, 0)],
    ]);
  }
  // Around a block of 1024 entries, too.
  const count = random.pick([0, 1, 2, 30, 300, 1023, 1024, 1025, 1500]);
  const ip = Buffer.alloc(count * 4);
  const entries = Buffer.alloc(count * 6);
  const place = random.below(1024);
  let pc = TEXT;
  for (let i = 0; i < count; i++) {
    ip.writeInt32LE(Number(pc - RODATA) - (place + i) * 4, i * 4);
    entries.writeInt16LE(random.between(-2, 20) * 8, i * 6);
    entries.writeInt16LE(-16, i * 6 + 2);
    entries.writeUInt16LE(random.u32() & 0xffff, i * 6 + 4);
    if (random.chance(0.95)) pc = add(pc, random.between(1, 64));
  }
  return new Map([
    ['ip', new Uint8Array(ip)],
    ['entries', new Uint8Array(entries)],
    ['header', header],
    ['knobs', knobs(count, random.between(1, 4), place)],
  ]);
}

function versionOf(memory: PieceMemory): string {
  const at: { [name: string]: VirtAddr } = { __start_orc_unwind_ip: RODATA, __start_orc_header: HEADER };
  const symbols: Pick<SymbolTable, 'lookup'> = {
    lookup: (name) => {
      const address = at[name];
      return address === undefined ? undefined : { name, address, size: 0, type: 'r', module: undefined };
    },
  };
  // It asks for names only.
  return String(detectOrcVersion(memory, symbols as SymbolTable, undefined));
}

function run(parts: Parts): Summary {
  const control = Buffer.concat([parts.get('knobs'), Buffer.alloc(8)]);
  const start = add(RODATA, (control.readUInt16LE(6) % 1024) * 4);
  const count = control.readUInt32LE(0);
  const hole = control[5] ?? 255;
  const version = (((control[4] ?? 1) - 1) % 4) + 1;
  if (version !== 1 && version !== 2 && version !== 3 && version !== 4) return ['no version'];
  const memory = new PieceMemory(
    { start, bytes: parts.get('ip') },
    { start: ENTRIES, bytes: parts.get('entries') },
    { start: HEADER, bytes: parts.get('header') },
  );
  if (hole < 8) memory.drop(add(start, hole * 4096));
  else if (hole < 16) memory.drop(add(ENTRIES, (hole - 8) * 4096));
  const table = new OrcTable(memory, { ip: start, entries: ENTRIES, count, version });
  const kinds = new Tally();
  const ask = askerOf(parts, start, count, version, hole);
  for (const pc of ask.places) {
    const entry = table.lookup(virt(pc));
    check(entry === undefined || isEntry(entry), () => `the rule at ${pc.toString(16)} is ${JSON.stringify(entry)}`);
    const wanted = ask.rule(pc);
    if (wanted !== 'unknown')
      checkSame(`the rule at ${pc.toString(16)}`, JSON.stringify(entry), JSON.stringify(wanted));
    kinds.add(entry === undefined ? 'none' : `${entry.kind} ${entry.cfaReg}`);
  }
  check(memory.bytesRead < 2 ** 20, () => `${memory.bytesRead} bytes were read for ${ask.places.length} rules`);
  return [version, versionOf(memory), ...kinds.words];
}

function isEntry(entry: OrcEntry): boolean {
  const { spOffset, bpOffset } = entry;
  return Math.abs(spOffset) <= 32768 && Math.abs(bpOffset) <= 32768 && typeof entry.signal === 'boolean';
}

/** Where to ask, and what a plain search finds; unknown where the table is cut off or not in order. */
function askerOf(parts: Parts, start: VirtAddr, count: number, version: OrcVersion, hole: number) {
  const ip = Buffer.from(parts.get('ip'));
  const entries = Buffer.from(parts.get('entries'));
  const pcs: bigint[] = [];
  for (let i = 0; i < Math.min(count, ip.length >> 2); i++) pcs.push(start + BigInt(i * 4 + ip.readInt32LE(i * 4)));
  const whole = pcs.length === count && entries.length >= count * 6 && hole >= 16;
  const rising = pcs.every((pc, i) => i === 0 || (pcs[i - 1] ?? 0n) <= pc);
  const step = Math.max(1, Math.floor(pcs.length / 20));
  const places = pcs.filter((_, i) => i % step === 0).flatMap((pc) => [pc - 1n, pc, pc + 1n]);
  const last = pcs.at(-1) ?? TEXT;
  const rule = (pc: bigint): OrcEntry | undefined | 'unknown' => {
    const distance = pc - start;
    if (!whole || !rising) return 'unknown';
    if (distance > 0x8000_0000n + BigInt(count * 4) || -distance > 0x8000_0000n + BigInt(count * 4)) return undefined;
    const index = pcs.findLastIndex((from) => from <= pc);
    return index < 0 ? undefined : decodeOrcEntry(entries.subarray(index * 6, index * 6 + 6), version);
  };
  const all = [0n, 1n, TEXT - 1n, TEXT, last, last + 4096n, ...places, 2n ** 64n - 1n];
  return { places: all.filter((pc) => pc >= 0n && pc < 2n ** 64n), rule };
}

function baseOf(name: string): Base {
  const parts = partsOf(name);
  const fields: Field[] = [
    { part: 'knobs', at: 0, size: 4, role: 'count', group: 'count' },
    { part: 'knobs', at: 4, size: 1, role: 'kind', group: 'version' },
    { part: 'knobs', at: 5, size: 1, role: 'index', group: 'hole' },
    { part: 'header', at: 0, size: 4, role: 'kind', group: 'header' },
  ];
  const count = (parts.get('ip')?.length ?? 0) / 4;
  for (let i = 0; i < Math.min(count, 1600); i++) {
    fields.push({ part: 'ip', at: i * 4, size: 4, role: 'address', group: 'ip' });
    fields.push({ part: 'entries', at: i * 6, size: 2, role: 'offset', group: 'entry' });
    fields.push({ part: 'entries', at: i * 6 + 4, size: 2, role: 'flags', group: 'entry' });
  }
  return { parts, fields, run };
}

export const orc: Target = {
  name: 'orc',
  reads: 'ORC unwind tables, versions 1 to 4 (debuginfo/orc)',
  throws: ['format', 'fault'],
  bases: [
    { name: 'orc#', weight: 200 },
    { name: 'sample', weight: 1 },
  ],
  allocates: { fixed: 2 ** 20, perByte: 64 },
  base: baseOf,
};
