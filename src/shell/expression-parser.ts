/**
 * C expressions as people type them at a debugger: operators with C's precedence, casts, member access, `sizeof`, gdb's
 * `{type} address` and `array@count`. The parser knows no dump but for one question: whether a name is a type.
 */
import { UsageError } from '../base/errors.ts';
import { type Token, tokenize } from './expression-tokens.ts';

/** A type as it was typed: 'struct task_struct', then how many stars. */
export interface TypeName {
  readonly base: string;
  readonly pointers: number;
}

export type Expression =
  | {
      readonly kind: 'number';
      readonly value: bigint;
      readonly hex: boolean;
      readonly unsigned: boolean;
      readonly character?: boolean;
    }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'unary'; readonly operator: string; readonly operand: Expression }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'conditional'; readonly test: Expression; readonly yes: Expression; readonly no: Expression }
  | { readonly kind: 'member'; readonly object: Expression; readonly name: string }
  | { readonly kind: 'index'; readonly object: Expression; readonly index: Expression }
  | { readonly kind: 'cast'; readonly type: TypeName; readonly operand: Expression }
  | { readonly kind: 'at'; readonly type: TypeName; readonly address: Expression }
  | { readonly kind: 'sizeof'; readonly type: TypeName | undefined; readonly operand: Expression | undefined }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly (Expression | TypeName)[] };

const MAX_DEPTH = 200;

const LEVELS: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!='],
  ['<', '>', '<=', '>='],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
  ['@'],
];

const BASIC = new Set([
  'void',
  'char',
  'short',
  'int',
  'long',
  'unsigned',
  'signed',
  'float',
  'double',
  'bool',
  '_Bool',
]);

/**
 * @param isType - whether a name alone is a typedef
 * @throws UsageError that says what was expected where
 */
export function parseExpression(source: string, isType: (name: string) => boolean): Expression {
  const parser = new Parser(source, tokenize(source), isType);
  return parser.all();
}

class Parser {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  readonly #isType: (name: string) => boolean;
  #at = 0;
  #depth = 0;

  constructor(source: string, tokens: readonly Token[], isType: (name: string) => boolean) {
    this.#source = source;
    this.#tokens = tokens;
    this.#isType = isType;
  }

  all(): Expression {
    const result = this.#conditional();
    if (this.#token().kind !== 'end') throw this.#unexpected('the end');
    return result;
  }

  #token(ahead = 0): Token {
    return this.#tokens[this.#at + ahead] ?? { kind: 'end', at: this.#source.length };
  }

  #is(text: string, ahead = 0): boolean {
    const token = this.#token(ahead);
    return token.kind === 'operator' && token.text === text;
  }

  #accept(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#at++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#accept(text)) throw this.#unexpected(`'${text}'`);
  }

  #unexpected(wanted: string): UsageError {
    const token = this.#token();
    const found = token.kind === 'end' ? 'it ends' : `'${this.#source.slice(token.at, token.at + 12)}' stands`;
    return new UsageError(`expression '${this.#source}': ${found} where ${wanted} was expected`);
  }

  /** Bounds how deep the parser calls itself. */
  #nested<T>(read: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw new UsageError(`the expression is nested deeper than ${MAX_DEPTH}`);
    const result = read();
    this.#depth--;
    return result;
  }

  #conditional(): Expression {
    return this.#nested(() => {
      const test = this.#binary(0);
      if (!this.#accept('?')) return test;
      const yes = this.#conditional();
      this.#expect(':');
      return { kind: 'conditional', test, yes, no: this.#conditional() };
    });
  }

  #binary(level: number): Expression {
    const operators = LEVELS[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const operator = operators.find((each) => this.#is(each));
      if (operator === undefined) return left;
      this.#at++;
      left = { kind: 'binary', operator, left, right: this.#binary(level + 1) };
    }
  }

  #unary(): Expression {
    return this.#nested(() => {
      for (const operator of ['-', '+', '!', '~', '*', '&']) {
        if (this.#accept(operator)) return { kind: 'unary', operator, operand: this.#unary() };
      }
      const token = this.#token();
      if (token.kind === 'name' && token.text === 'sizeof') return this.#sizeof();
      if (this.#is('(') && this.#typeAhead(1)) {
        this.#at++;
        const type = this.#type();
        this.#expect(')');
        return { kind: 'cast', type, operand: this.#unary() };
      }
      if (this.#accept('{')) {
        const type = this.#type();
        this.#expect('}');
        return { kind: 'at', type, address: this.#unary() };
      }
      return this.#postfix(this.#primary());
    });
  }

  #sizeof(): Expression {
    this.#at++;
    if (this.#is('(') && this.#typeAhead(1)) {
      this.#at++;
      const type = this.#type();
      this.#expect(')');
      return { kind: 'sizeof', type, operand: undefined };
    }
    return { kind: 'sizeof', type: undefined, operand: this.#unary() };
  }

  #typeAhead(ahead: number): boolean {
    const token = this.#token(ahead);
    if (token.kind !== 'name') return false;
    if (['struct', 'union', 'enum', 'const', 'volatile'].includes(token.text) || BASIC.has(token.text)) return true;
    return this.#isType(token.text);
  }

  #name(): string {
    const token = this.#token();
    if (token.kind !== 'name') throw this.#unexpected('a name');
    this.#at++;
    return token.text;
  }

  #type(): TypeName {
    const words: string[] = [];
    for (;;) {
      const token = this.#token();
      if (token.kind !== 'name') break;
      if (token.text === 'const' || token.text === 'volatile') {
        this.#at++;
      } else if (['struct', 'union', 'enum'].includes(token.text) && words.length === 0) {
        this.#at++;
        words.push(token.text, this.#name());
      } else if (BASIC.has(token.text) || words.length === 0) {
        this.#at++;
        words.push(token.text);
      } else break;
    }
    if (words.length === 0) throw this.#unexpected('a type');
    let pointers = 0;
    for (;;) {
      const token = this.#token();
      if (this.#accept('*')) pointers++;
      else if (token.kind === 'name' && (token.text === 'const' || token.text === 'volatile')) this.#at++;
      else break;
    }
    return { base: spelled(words), pointers };
  }

  #primary(): Expression {
    const token = this.#token();
    if (token.kind === 'number') {
      this.#at++;
      return {
        kind: 'number',
        value: token.value,
        hex: token.hex,
        unsigned: token.unsigned,
        character: token.character === true,
      };
    }
    if (token.kind === 'name') {
      this.#at++;
      if (!this.#is('(')) return { kind: 'name', name: token.text };
      this.#at++;
      return this.#call(token.text);
    }
    if (this.#accept('(')) {
      const inner = this.#conditional();
      this.#expect(')');
      return inner;
    }
    throw this.#unexpected('a value');
  }

  #call(name: string): Expression {
    const args: (Expression | TypeName)[] = [];
    if (!this.#accept(')')) {
      do args.push(this.#typeAhead(0) ? this.#type() : this.#conditional());
      while (this.#accept(','));
      this.#expect(')');
    }
    return { kind: 'call', name, args };
  }

  #postfix(start: Expression): Expression {
    let object = start;
    for (;;) {
      if (this.#accept('.') || this.#accept('->')) object = { kind: 'member', object, name: this.#name() };
      else if (this.#accept('[')) {
        object = { kind: 'index', object, index: this.#conditional() };
        this.#expect(']');
      } else return object;
    }
  }
}

/** 'long unsigned' and 'unsigned long int' are one type. */
function spelled(words: readonly string[]): string {
  if (!words.every((word) => BASIC.has(word)) || words.length === 1) return words.join(' ');
  const longs = words.filter((word) => word === 'long').length;
  const unsigned = words.includes('unsigned');
  if (words.includes('double')) return longs > 0 ? 'long double' : 'double';
  if (words.includes('char')) return unsigned ? 'unsigned char' : words.includes('signed') ? 'signed char' : 'char';
  const base = words.includes('short') ? 'short' : longs > 1 ? 'long long' : longs === 1 ? 'long' : 'int';
  return unsigned ? `unsigned ${base}` : base;
}
