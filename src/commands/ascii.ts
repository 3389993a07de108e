/** `ascii`: numbers as the characters that they hold, or the table of all. */
import { parseAddress } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { defineCommand } from '../model/command.ts';
import { hex16 } from '../shell/format.ts';

const NAMES =
  'NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US SP'.split(
    ' ',
  );

export default defineCommand({
  name: 'ascii',
  summary: 'numbers as characters',
  options: [],
  arguments: [{ name: 'number', kinds: ['number'], optional: true, repeated: true }],
  examples: [
    { line: 'ascii 62696c2f7273752f', what: 'the text in a word of memory' },
    { line: 'ascii', what: 'all characters' },
  ],
  run(_context, args) {
    if (args.positionals.length === 0) return { shape: 'lines', lines: table(), data: () => NAMES };
    const words = args.positionals.map((text) => {
      const value = parseAddress(text);
      if (value === undefined) throw new UsageError(`'${text}' is no number in hex`);
      // Lowest byte first, as it lies in memory.
      const codes = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
      return { value, text: codes.map(shownCode).join('') };
    });
    return {
      shape: 'lines',
      lines: words.map(({ value, text }) => `${hex16(value)}: ${text}`),
      data: () => words.map(({ value, text }) => ({ value: `0x${value.toString(16)}`, text })),
    };
  },
});

function nameOf(code: number): string {
  return NAMES[code] ?? (code === 127 ? 'DEL' : String.fromCharCode(code));
}

function shownCode(code: number): string {
  if (code === 32) return ' ';
  if (code < 32 || code === 127) return `<${nameOf(code)}>`;
  return code < 127 ? String.fromCharCode(code) : `<${code.toString(16)}>`;
}

/** The high digit chooses the column, the low one the row. */
function table(): readonly string[] {
  const digits = Array.from({ length: 16 }, (_, i) => i);
  return [
    '',
    '      0    1   2   3   4   5   6   7',
    '    +-------------------------------',
    ...digits.map((low) => {
      const cells = digits.slice(0, 8).map((high) => nameOf(high * 16 + low));
      return `  ${low.toString(16).toUpperCase()} | ${cells.map((cell) => (cell.length < 2 ? ` ${cell} ` : cell.padStart(3))).join(' ')}`.trimEnd();
    }),
    '',
  ];
}
