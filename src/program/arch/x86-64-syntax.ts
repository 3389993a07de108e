/**
 * The text of an instruction as GNU's tools write it, made of the text that iced-x86 gives (its GAS syntax). What differs:
 * suffixes and implied operands that GNU leaves out or writes, displacements of 0, and prefixes that do nothing, by which
 * padding is made. The model is what gdb 16, and so crash 9, prints.
 */

/** What is known of an instruction. */
export interface Decoded {
  /** As iced formats it. */
  readonly text: string;
  readonly bytes: Uint8Array;
  /** A displacement is encoded, and it is 0. */
  readonly zeroDisplacement: boolean;
  /** Whether a 66 prefix means something: a 16-bit operand, or another instruction. Asked where there is one. */
  readonly usesOperandSize: () => boolean;
}

const SEGMENTS: ReadonlyMap<number, string> = new Map([
  [0x26, 'es'],
  [0x2e, 'cs'],
  [0x36, 'ss'],
  [0x3e, 'ds'],
]);
/** f0, f2, f3 (lock, repne, rep), 64 and 65 (fs, gs), 67 (address size): iced writes them where they mean something. */
const OTHER_PREFIXES: ReadonlySet<number> = new Set([0xf0, 0xf2, 0xf3, 0x64, 0x65, 0x67]);
const OPERAND_SIZE = 0x66;

/** Words of GNU that iced has no operands for. */
const IMPLIED: ReadonlyMap<string, string> = new Map([
  ['monitor', 'monitor %rax,%ecx,%edx'],
  ['monitorx', 'monitorx %rax,%ecx,%edx'],
  ['mwait', 'mwait  %eax,%ecx'],
  ['mwaitx', 'mwaitx %eax,%ecx,%ebx'],
  ['xlat', 'xlat   %ds:(%rbx)'],
  ['fxch', 'fxch   %st(1)'],
  ...['fadd', 'fmul', 'fsub', 'fsubr', 'fdiv', 'fdivr'].map(
    (name) => [`${name}p`, `${`${name}p`.padEnd(6)} %st,%st(1)`] as const,
  ),
]);

const MNEMONIC_WIDTH = 6;

/** 'mov    %rdi,%rbx'; without the target that GNU writes behind '#'. */
export function gnuText(decoded: Decoded): string {
  const [words, operands] = split(decoded.text);
  const name = words.at(-1) ?? '';
  const written = operandsOf(name, operands, decoded);
  const mnemonic = mnemonicOf(name);
  const implied = written === '' || mnemonic === 'xlat' ? IMPLIED.get(mnemonic) : undefined;
  const repeats = words.slice(0, -1).map((word) => repeatName(word, name));
  const prefixes = words.includes('notrack') ? repeats : [...emptyPrefixes(decoded, name), ...repeats];
  if (prefixes.length > 0) return [...prefixes, implied ?? `${mnemonic} ${written}`.trim()].join(' ');
  return implied ?? (written === '' ? mnemonic : `${mnemonic.padEnd(MNEMONIC_WIDTH)} ${written}`);
}

const WORDS_BEFORE: ReadonlySet<string> = new Set([
  'lock',
  'rep',
  'repe',
  'repz',
  'repne',
  'repnz',
  'bnd',
  'notrack',
  'xacquire',
  'xrelease',
  'addr32',
  'data16',
  'cs',
  'ds',
  'es',
  'ss',
  'fs',
  'gs',
]);

/** Prefixes and the mnemonic, and the operands behind them. */
function split(text: string): readonly [string[], string] {
  const words: string[] = [];
  let rest = text;
  for (;;) {
    const space = rest.indexOf(' ');
    const word = space < 0 ? rest : rest.slice(0, space);
    rest = space < 0 ? '' : rest.slice(space + 1).trimStart();
    words.push(word);
    if (!WORDS_BEFORE.has(word) || rest === '') return [words, rest];
  }
}

/** rep repeats, repz and repnz compare, and repz is also what f3 is called where it does nothing. */
function repeatName(word: string, mnemonic: string): string {
  if (word === 'repne') return 'repnz';
  if (word !== 'rep' && word !== 'repe') return word;
  return /^(?:movs|stos|lods|ins|outs)[bwlq]?$/.test(mnemonic) ? 'rep' : 'repz';
}

function mnemonicOf(mnemonic: string): string {
  // These work on 64 bits, and GNU does not say it.
  if (/^(?:push|pop|call|jmp|ret|leave)q$|^[il]retl$/.test(mnemonic)) return mnemonic.slice(0, -1);
  if (mnemonic === 'ljmpl' || mnemonic === 'lcalll') return mnemonic.slice(0, -1);
  return /^sal[bwlq]?$/.test(mnemonic) ? mnemonic.replace('sal', 'shl') : mnemonic;
}

const SHIFT = /^(?:sh[lr]|sa[lr]|ro[lr]|rc[lr])[bwlq]?$/;
const PORT = /^(?:in|out)[bwl]?$/;
const STRING = /^(?:movs|cmps|lods|stos|scas|ins|outs)[bwlq]?$/;

function operandsOf(mnemonic: string, operands: string, { bytes, zeroDisplacement }: Decoded): string {
  if (operands === '') return '';
  let out = operands.replace(',)', ')').replace(',)', ')');
  if (zeroDisplacement) out = out.replace('(', '0x0(');
  else out = out.replace(/(^|[,:*])\(%([re])ip\)/, '$10x0(%$2ip)');
  if (STRING.test(mnemonic)) out = stringOperands(out);
  else if (PORT.test(mnemonic)) out = out.replace('%dx', '(%dx)');
  else if (SHIFT.test(mnemonic) && out.startsWith('$0x1,') && isShiftByOne(bytes)) out = `$1${out.slice(4)}`;
  else if (mnemonic.startsWith('imul')) out = out.replace(/^(\$[^,]+),(%\w+)$/, '$1,$2,$2');
  else if (mnemonic === 'mov') out = out.replace(/%dr(\d)/, '%db$1');
  return out;
}

/** %ds:(%rsi), %es:(%rdi). */
function stringOperands(operands: string): string {
  return operands
    .replace(/(?<!:)\((%[re]?si)\)/, '%ds:($1)')
    .replace(/(?<!:)\((%[re]?di)\)/, '%es:($1)')
    .replace(/(?<!\()%dx/, '(%dx)');
}

/** d0 and d1 shift by 1 without saying so; c0 and c1 have a byte for it. */
function isShiftByOne(bytes: Uint8Array): boolean {
  const opcode = bytes[opcodeAt(bytes)] ?? 0;
  return opcode === 0xd0 || opcode === 0xd1;
}

function opcodeAt(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length && isPrefix(bytes[at] ?? 0)) at++;
  const rex = bytes[at] ?? 0;
  return rex >= 0x40 && rex <= 0x4f ? at + 1 : at;
}

function isPrefix(byte: number): boolean {
  return byte === OPERAND_SIZE || SEGMENTS.has(byte) || OTHER_PREFIXES.has(byte);
}

/** Prefixes that do nothing, in their order: 'data16 cs' of a long nop. */
function emptyPrefixes({ bytes, usesOperandSize }: Decoded, mnemonic: string): string[] {
  if (!isPrefix(bytes[0] ?? 0)) return [];
  const end = opcodeAt(bytes);
  const out: string[] = [];
  const last = bytes.subarray(0, end).lastIndexOf(OPERAND_SIZE);
  for (let i = 0; i < end; i++) {
    const byte = bytes[i] ?? 0;
    const segment = SEGMENTS.get(byte);
    if (segment !== undefined && !mnemonic.includes(',')) out.push(segment);
    else if (byte === OPERAND_SIZE && !(i === last && usesOperandSize())) out.push('data16');
  }
  return out;
}
