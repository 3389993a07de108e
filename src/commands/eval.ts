/** `eval`: an expression in hex, decimal, octal and binary. */
import { UsageError } from '../base/errors.ts';
import { defineCommand } from '../model/command.ts';
import { integer } from '../shell/format.ts';
import { evaluate, numberOf } from '../shell/expression.ts';

const UNITS: { readonly [letter: string]: bigint } = { k: 1n << 10n, m: 1n << 20n, g: 1n << 30n, t: 1n << 40n };

export default defineCommand({
  name: 'eval',
  summary: 'an expression as numbers of all bases',
  description: ['Operators and symbols as in p; 128m is 128 MiB. As in C a number that begins with 0 is octal.'],
  options: [
    { flag: 'b', summary: 'the bits that are set' },
    { flag: 'l', summary: 'in 64 bits, as all of them are here' },
  ],
  arguments: [{ name: 'expression', kinds: ['expression'], repeated: true }],
  optionsFirst: true,
  examples: [
    { line: 'eval 128m', what: 'in bytes' },
    { line: 'eval -b 4294967311', what: 'with its bits' },
  ],
  run({ program }, args) {
    const source = args.text.replace(
      /(?<![\w.])(\d+)([kmgt])(?!\w)/gi,
      (_, digits: string, letter: string) => `${BigInt(digits) * (UNITS[letter.toLowerCase()] ?? 1n)}`,
    );
    if (source === '') throw new UsageError('usage: eval [-bl] expression');
    const signed = BigInt.asIntN(
      64,
      numberOf(evaluate(program, /^[0-9a-f]*[a-f][0-9a-f]*$/i.test(source) ? `0x${source}` : source)),
    );
    const value = BigInt.asUintN(64, signed);
    const unit = (['G', 'M', 'K'] as const).find(
      (letter) => value > 0n && value % (UNITS[letter.toLowerCase()] ?? 1n) === 0n,
    );
    const size = unit === undefined ? '' : `  (${value / (UNITS[unit.toLowerCase()] ?? 1n)}${unit}B)`;
    const bits = Array.from({ length: 64 }, (_, i) => 63 - i).filter((bit) => ((value >> BigInt(bit)) & 1n) === 1n);
    return {
      shape: 'lines',
      lines: [
        `hexadecimal: ${value.toString(16)}${size}`,
        `    decimal: ${value}${signed < 0n ? `  (${signed})` : ''}`,
        `      octal: ${value.toString(8)}`,
        `     binary: ${value.toString(2).padStart(64, '0')}`,
        ...(args.has('b') ? [`   bits set: ${bits.join(' ')}`] : []),
      ],
      data: () => ({ value: integer(value), signed: integer(signed), hex: `0x${value.toString(16)}`, bits }),
    };
  },
});
