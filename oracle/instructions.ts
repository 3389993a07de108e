/**
 * `npm run oracle -- --instructions`: all code of a kernel and its modules, as it lies in the dump, decoded by us and by
 * objdump from the same bytes, and compared address by address, blanks included. What differs is counted by kind.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { table } from '../bench/statistics.ts';
import { add, compare, distance, hex, type VirtAddr } from '../src/base/address.ts';
import { attempt } from '../src/base/errors.ts';
import { type Disassembler, disassemblerFor, type MachineInstruction } from '../src/program/arch/disassembler.ts';
import { openProgram } from '../src/program/open.ts';
import type { Program } from '../src/program/program.ts';
import type { DumpToAsk } from './dumps.ts';
import type { Peers } from './peers.ts';

/** Text of one instruction, ours and objdump's; undefined where one of them sees none begin. */
export interface Pair {
  readonly ours: string | undefined;
  readonly theirs: string | undefined;
}

interface Kind {
  count: number;
  /** The first, with its address. */
  example: string;
}

export interface InstructionTally {
  readonly release: string;
  readonly binutils: string;
  instructions: number;
  equal: number;
  /** Of the equal ones: int3 and no-ops, which fill the space between functions. */
  padding: number;
  /** Bytes of code that the dump has not. */
  missing: number;
  readonly kinds: Map<string, Kind>;
}

/** Decoded at a time. */
const PIECE = 1 << 20;

const SEGMENTS = /%[de]s:/g;
/** What differs for a reason, by name. */
const KINDS: readonly (readonly [name: string, is: (ours: string, theirs: string) => boolean])[] = [
  [
    'segments of string instructions, which objdump 2.47 leaves out',
    (a, b) => a !== b && a.replace(SEGMENTS, '') === b,
  ],
  [
    'shifts by one without the one, as before objdump 2.41',
    (a, b) => a.replace(/^(\S+ +)\$1,/, '$1') === b && a.includes('$1,'),
  ],
  [
    'selectors in 32-bit registers, since objdump 2.47',
    (a, b) => /^(?:ltr|lldt|lkgs|str|sldt) /.test(a) && b.includes('%e'),
  ],
  ['an empty REX prefix', (_, b) => b.startsWith('rex')],
];

/** The kind of a difference. */
export function kindOf({ ours, theirs }: Pair): string {
  if (ours === undefined || theirs === undefined) return 'one of both sees no instruction begin there';
  return KINDS.find(([, is]) => is(ours, theirs))?.[0] ?? `other: ${ours.split(' ')[0] ?? ''}`;
}

/** As objdump writes an instruction: the target of data behind it. */
export function lineOf({ text, target }: MachineInstruction): string {
  return target?.kind === 'data' ? `${text}        # 0x${target.address.toString(16)}` : text;
}

/** Text by address, of `objdump -D --no-show-raw-insn`. */
export function parseObjdump(output: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [, address = '', text = ''] of output.matchAll(/^ *([0-9a-f]+):\t(.*)$/gm))
    found.set(address, text.trimEnd());
  return found;
}

export function askInstructions(dumps: readonly DumpToAsk[], peers: Peers): InstructionTally[] {
  const folder = mkdtempSync(join(tmpdir(), 'kwhy-code-'));
  const seen = new Set<string>();
  const tallies: InstructionTally[] = [];
  try {
    for (const { path, name } of dumps) {
      const program = openProgram(path);
      try {
        const release = program.vmcoreinfo.osRelease ?? name;
        if (seen.has(release)) continue;
        seen.add(release);
        tallies.push(tallyOf(program, release, peers, folder));
        console.error(`${release}: ${share(tallies.at(-1))}`);
      } finally {
        program.close();
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return tallies;
}

function tallyOf(program: Program, release: string, peers: Peers, folder: string): InstructionTally {
  const tally: InstructionTally = {
    release,
    binutils: peers.versions().get('binutils') ?? '?',
    instructions: 0,
    equal: 0,
    padding: 0,
    missing: 0,
    kinds: new Map(),
  };
  const disassembler = disassemblerFor(program.arch.name);
  for (const { start, end } of codeRanges(program)) {
    for (let at = start; compare(at, end) < 0; ) {
      const next = pieceEnd(program, at, end);
      const bytes = attempt(() => program.memory.readBytes(at, distance(next, at)));
      if (bytes === undefined) tally.missing += distance(next, at);
      else comparePiece(tally, disassembler, at, bytes, objdump(peers, folder, at, bytes));
      at = next;
    }
  }
  return tally;
}

/** The kernel's own code, and that of its modules. */
function codeRanges(program: Program): { readonly start: VirtAddr; readonly end: VirtAddr }[] {
  const image = { start: program.symbol('_stext').address, end: program.symbol('_etext').address };
  const modules = program.modules.modules.flatMap(({ ranges }) =>
    ranges.filter(({ text }) => text).map(({ start, size }) => ({ start, end: add(start, size) })),
  );
  return [image, ...modules];
}

/** Pieces end where a symbol begins, so that no instruction is cut. */
function pieceEnd(program: Program, at: VirtAddr, end: VirtAddr): VirtAddr {
  const far = add(at, PIECE);
  if (compare(far, end) >= 0) return end;
  const symbol = program.symbols.at(far);
  return symbol === undefined || compare(symbol.address, at) <= 0 ? far : symbol.address;
}

function objdump(peers: Peers, folder: string, at: VirtAddr, bytes: Uint8Array): ReadonlyMap<string, string> {
  const path = join(folder, 'code.bin');
  writeFileSync(path, bytes);
  const options = ['-z', '-D', '-b', 'binary', '-m', 'i386:x86-64', `--adjust-vma=${hex(at)}`, '--no-show-raw-insn'];
  return parseObjdump(peers.run(['objdump', ...options, peers.dump(path)], path));
}

function comparePiece(
  tally: InstructionTally,
  disassembler: Disassembler,
  start: VirtAddr,
  bytes: Uint8Array,
  theirs: ReadonlyMap<string, string>,
): void {
  const left = new Map(theirs);
  const differ = (at: string, pair: Pair): void => {
    const kind = kindOf(pair);
    const known = tally.kinds.get(kind);
    if (known !== undefined) known.count++;
    else tally.kinds.set(kind, { count: 1, example: `${at}: ${pair.ours ?? 'nothing'} | ${pair.theirs ?? 'nothing'}` });
  };
  for (const instruction of disassembler.decode(bytes, start)) {
    const at = instruction.address.toString(16);
    const ours = lineOf(instruction);
    const text = theirs.get(at);
    left.delete(at);
    tally.instructions++;
    if (ours !== text) differ(at, { ours, theirs: text });
    else {
      tally.equal++;
      if (/^int3$|nop|xchg +%ax,%ax$/.test(ours)) tally.padding++;
    }
  }
  for (const [at, text] of left) {
    tally.instructions++;
    differ(at, { ours: undefined, theirs: text });
  }
}

const percent = (part: number, whole: number): string => `${((100 * part) / Math.max(1, whole)).toFixed(3)} %`;

function share(tally: InstructionTally | undefined): string {
  return tally === undefined ? 'nothing' : `${percent(tally.equal, tally.instructions)} of ${tally.instructions}`;
}

/** Every kernel has at least so many equal, of a thousand. */
export const NEEDED = 995;

export function isEnough({ equal, instructions }: InstructionTally): boolean {
  return instructions > 0 && equal * 1000 >= instructions * NEEDED;
}

/** For the terminal, and for docs/oracle.md. */
export function instructionsReport(tallies: readonly InstructionTally[]): string {
  const number = (n: number): string => n.toLocaleString('en-US');
  const sums = tallies.map((tally) => [
    tally.release,
    number(tally.instructions),
    number(tally.equal),
    percent(tally.equal, tally.instructions),
    percent(tally.equal - tally.padding, tally.instructions - tally.padding),
    number(tally.missing),
  ]);
  const kinds = tallies.flatMap(({ release, kinds: found }) =>
    [...found]
      .sort(([, a], [, b]) => b.count - a.count)
      .map(([kind, { count, example }]) => [release, kind, number(count), `\`${example.replaceAll('|', '/')}\``]),
  );
  const versions = [...new Set(tallies.map(({ binutils }) => binutils))].join(', ');
  return [
    `objdump of binutils ${versions}.`,
    table(['kernel', 'instructions', 'equal', 'share', 'without padding', 'bytes not in the dump'], sums),
    table(['kernel', 'difference', 'times', 'the first: ours / objdump'], kinds),
  ].join('\n\n');
}
