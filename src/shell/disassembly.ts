/**
 * Code as `dis` shows it: where an instruction stands, its text with the symbols of what it jumps to, calls or addresses,
 * and what the running kernel made of it. The bytes are those of the dump.
 */
import { add, alignDown, hex, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { type PatchSite, patchSites, type PatchSites } from '../kernel/patch-sites.ts';
import { defineFact } from '../model/diagnosis.ts';
import type { TextLine } from '../model/shape.ts';
import type { Data } from '../model/value.ts';
import { type Disassembler, disassemblerFor, type MachineInstruction } from '../program/arch/disassembler.ts';
import type { Program } from '../program/program.ts';

/** Loaded by the first command that shows code. */
export const disassemblerFact = defineFact<Disassembler>({
  id: 'disassembler',
  derive: ({ program }) => disassemblerFor(program.arch.name),
});

export const patchSitesFact = defineFact<PatchSites>({
  id: 'patch-sites',
  derive: ({ program, cover }) => {
    const sites = patchSites(program);
    if (sites.problems.length > 0)
      cover({
        what: 'places where the kernel patches itself',
        read: sites.count,
        total: undefined,
        missing: sites.problems,
      });
    return sites;
  },
});

export type ReadCode = (address: VirtAddr, length: number) => Uint8Array;

/** Decoded at a time: an answer of one instruction reads no more than it must. */
const CHUNK = 512;

/**
 * Instructions from an address on, without an end.
 * @throws FaultError where the dump has no more
 */
export function* instructionsFrom(
  disassembler: Disassembler,
  read: ReadCode,
  start: VirtAddr,
): Generator<MachineInstruction> {
  for (let at = start; ; ) {
    const bytes = chunkAt(read, at);
    // What may be cut off is decoded again, with what follows.
    const sure = bytes.length < CHUNK ? bytes.length : CHUNK - disassembler.maxLength;
    const from = at;
    for (const instruction of disassembler.decode(bytes, from)) {
      if (Number(instruction.address - from) >= sure) break;
      yield instruction;
      at = add(instruction.address, instruction.length);
    }
  }
}

/** As many bytes as there are, up to a chunk: the next page may be missing. @throws FaultError when there is none */
function chunkAt(read: ReadCode, at: VirtAddr): Uint8Array {
  const whole = attempt(() => read(at, CHUNK));
  return whole ?? read(at, Math.min(CHUNK, Number(add(alignDown(at, 4096), 4096) - at)));
}

export interface CodeView {
  readonly program: Program;
  readonly sites: PatchSites | undefined;
  /** Of the user's memory: without symbols. */
  readonly user: boolean;
  /** How offsets are shown. */
  readonly radix: 10 | 16;
}

/** 'schedule+20', '__kmalloc [nf_tables]'; undefined where no symbol is. */
export function placeName({ program, user, radix }: CodeView, at: VirtAddr): string | undefined {
  const symbol = user ? undefined : program.symbols.at(at);
  if (symbol === undefined || /^[aA]$/.test(symbol.type)) return undefined;
  const offset = radix === 16 ? `0x${symbol.offset.toString(16)}` : String(symbol.offset);
  const module = symbol.module === undefined ? '' : ` [${symbol.module}]`;
  return `${symbol.name}${symbol.offset === 0 ? '' : `+${offset}`}${module}`;
}

/** One line: '0xffffffff9a2114f0 <schedule>:  nopl   0x0(%rax,%rax,1) [FTRACE NOP]'. */
export function codeLine(view: CodeView, instruction: MachineInstruction): TextLine {
  const { address, text } = instruction;
  const place = placeName(view, address);
  const start = place === undefined ? `   0x${address.toString(16)}:` : `0x${hexDigits(address)} <${place}>:`;
  const note = noteOf(view, instruction);
  // As far as a tab would lead.
  const padding = ' '.repeat(8 - (start.length % 8));
  return [
    { text: start, style: 'address' },
    `${padding}${text}${targetText(view, instruction)}${note === undefined ? '' : ` [${note}]`}`,
  ];
}

function hexDigits(address: VirtAddr): string {
  return address.toString(16).padStart(16, '0');
}

function targetText(view: CodeView, { target }: MachineInstruction): string {
  if (target === undefined) return '';
  const name = placeName(view, target.address);
  const symbol = name === undefined ? '' : ` <${name}>`;
  // The text of a jump ends with where it leads; of data it has the distance only.
  return target.kind === 'data' ? `        # 0x${target.address.toString(16)}${symbol}` : symbol;
}

/** What the kernel uses the place for, where it rewrites its own code. */
function noteOf({ program, sites }: CodeView, { address, text }: MachineInstruction): string | undefined {
  const site: PatchSite | undefined = sites?.at(address);
  if (site === undefined) return undefined;
  const isNop = /\bnop|xchg +%ax,%ax$/.test(text);
  if (site.kind === 'ftrace') return isNop ? 'FTRACE NOP' : 'FTRACE';
  const key = program.symbols.at(site.key);
  const name = key === undefined ? hex(site.key) : `${key.name}${key.offset === 0 ? '' : `+${key.offset}`}`;
  return `STATIC KEY ${name}${isNop ? '' : ', jumps'}`;
}

/** The same for JSON. */
export function codeData(view: CodeView, instruction: MachineInstruction, bytes: Uint8Array): Data {
  const { address, text, target } = instruction;
  return {
    address: hex(address),
    symbol: placeName({ ...view, radix: 10 }, address),
    bytes: Buffer.from(bytes).toString('hex'),
    text,
    target:
      target === undefined
        ? undefined
        : {
            kind: target.kind,
            address: hex(target.address),
            symbol: placeName({ ...view, radix: 10 }, target.address),
          },
    patched: noteOf(view, instruction),
  };
}
