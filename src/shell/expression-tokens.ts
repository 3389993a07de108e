/** The words of a C expression: numbers, characters, names, operators. */
import { UsageError } from '../base/errors.ts';

export type Token =
  | {
      readonly kind: 'number';
      readonly value: bigint;
      readonly hex: boolean;
      readonly unsigned: boolean;
      readonly character?: true;
      readonly at: number;
    }
  | { readonly kind: 'name'; readonly text: string; readonly at: number }
  | { readonly kind: 'operator'; readonly text: string; readonly at: number }
  | { readonly kind: 'end'; readonly at: number };

const OPERATORS = [
  '<<',
  '>>',
  '<=',
  '>=',
  '==',
  '!=',
  '&&',
  '||',
  '->',
  '+',
  '-',
  '*',
  '/',
  '%',
  '&',
  '|',
  '^',
  '~',
  '!',
  '<',
  '>',
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  '.',
  ',',
  '?',
  ':',
  '@',
] as const;

const MAX_LENGTH = 4096;
const CHARACTERS: { readonly [char: string]: bigint } = {
  n: 10n,
  t: 9n,
  r: 13n,
  '0': 0n,
  '\\': 92n,
  "'": 39n,
  '"': 34n,
  a: 7n,
  b: 8n,
  f: 12n,
  v: 11n,
};

/** @throws UsageError that shows the place */
export function tokenize(source: string): readonly Token[] {
  if (source.length > MAX_LENGTH) throw new UsageError(`the expression is longer than ${MAX_LENGTH} characters`);
  const tokens: Token[] = [];
  for (let at = 0; at < source.length; ) {
    const rest = source.slice(at);
    const blank = /^\s+/.exec(rest);
    if (blank !== null) {
      at += blank[0].length;
      continue;
    }
    const [token, length] = next(rest, at);
    tokens.push(token);
    at += length;
  }
  tokens.push({ kind: 'end', at: source.length });
  return tokens;
}

function next(rest: string, at: number): readonly [Token, number] {
  const number = /^(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)(?![\w.])/.exec(rest);
  if (number?.[1] !== undefined) {
    const digits = number[1];
    const octal = /^0[0-7]+$/.test(digits);
    const value = BigInt(octal ? `0o${digits.slice(1)}` : digits);
    if (value >= 1n << 64n) throw new UsageError(`${digits} does not fit 64 bits`);
    return [
      { kind: 'number', value, hex: digits.startsWith('0'), unsigned: /u/i.test(number[2] ?? ''), at },
      number[0].length,
    ];
  }
  // A bare address with letters in it, as everywhere else in the shell: ffff8889...
  const bare = /^[0-9][0-9a-fA-F]{7,15}(?!\w)/.exec(rest) ?? /^ffff[0-9a-f]{12}(?!\w)/.exec(rest);
  if (bare !== null)
    return [{ kind: 'number', value: BigInt(`0x${bare[0]}`), hex: true, unsigned: true, at }, bare[0].length];
  const character = /^'(?:\\(.)|([^'\\]))'/.exec(rest);
  if (character !== null) {
    const code = character[1] === undefined ? BigInt(character[2]?.codePointAt(0) ?? 0) : CHARACTERS[character[1]];
    if (code === undefined) throw new UsageError(`${character[0]} is no character`);
    return [{ kind: 'number', value: code, hex: false, unsigned: false, character: true, at }, character[0].length];
  }
  const name = /^[A-Za-z_$][\w$]*(?:\.(?:isra|constprop|cold|part|llvm)(?:\.\d+)*)*/.exec(rest);
  if (name !== null) return [{ kind: 'name', text: name[0], at }, name[0].length];
  const operator = OPERATORS.find((each) => rest.startsWith(each));
  if (operator !== undefined) return [{ kind: 'operator', text: operator, at }, operator.length];
  throw new UsageError(`'${rest.charAt(0)}' does not belong into an expression (at character ${at + 1})`);
}
