/**
 * C declarations as the words of types.ts, so that a hand-built image may take its types from a header:
 *
 *   declareC(image, readFileSync('linux-3.10.h', 'utf8'));
 *
 * Understands `struct`, `union`, `enum`, `typedef`, bit fields, arrays (lengths: numbers, `#define NAME 12`,
 * enumerators), anonymous members, several declarators in one declaration, function pointers (they become `void *`),
 * qualifiers and comments. Each header must compile by itself: `npm run check:c-types` has a compiler lay the same types
 * out and compares. Not handled: attributes, expressions, other directives, arrays of structs without a name.
 */
import { struct, type TypeWord, type TypeWords, union } from './types.ts';

/** KernelImage or TypeWords. */
type Target = Pick<TypeWords, 'struct' | 'union' | 'typedef' | 'enum'>;

/** What a header declared, in its order: 'struct mutex', 'enum zone_type', 'typedef atomic_t'. */
export type Declared = readonly string[];

/**
 * Declares everything that a header defines.
 * @throws Error for what it does not understand
 */
export function declareC(target: Target, header: string): Declared {
  return new Parser(target, header).run();
}

interface Declarator {
  readonly name: string | undefined;
  readonly word: TypeWord;
}

const QUALIFIERS: ReadonlySet<string> = new Set(['const', 'volatile', 'restrict']);
const INT_WORDS: ReadonlySet<string> = new Set(['unsigned', 'signed', 'char', 'short', 'int', 'long']);

class Parser {
  readonly #target: Target;
  readonly #tokens: readonly string[];
  readonly #numbers = new Map<string, number>();
  readonly #declared: string[] = [];
  #at = 0;

  constructor(target: Target, header: string) {
    this.#target = target;
    const bare = header
      .replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, ' ')
      .replaceAll(/^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(\w+)[ \t]*$/gm, (_line, name: string, value: string) => {
        this.#numbers.set(name, Number(value));
        return '';
      });
    this.#tokens = bare.match(/\w+|[^\s\w]/g) ?? [];
  }

  run(): Declared {
    while (this.#at < this.#tokens.length) {
      if (this.#take('typedef')) {
        const base = this.#base();
        for (const { name, word } of this.#declarators(base)) {
          if (name === undefined) throw this.#error('a typedef without a name');
          this.#target.typedef(name, word);
          this.#declared.push(`typedef ${name}`);
        }
      } else {
        this.#base();
        this.#expect(';');
      }
    }
    return this.#declared;
  }

  #error(what: string): Error {
    return new Error(`C declarations: ${what}, before '${this.#tokens.slice(this.#at, this.#at + 8).join(' ')}'`);
  }

  #peek(): string {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw this.#error('the text ends in the middle');
    return token;
  }

  #next(): string {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #take(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at++;
    return true;
  }

  #expect(token: string): void {
    if (!this.#take(token)) throw this.#error(`'${token}' is missing`);
  }

  #name(): string {
    const token = this.#next();
    if (!/^[A-Za-z_]\w*$/.test(token)) throw this.#error(`'${token}' is no name`);
    return token;
  }

  /** What stands in front of the declarators; defines what is in braces. */
  #base(): TypeWord {
    while (QUALIFIERS.has(this.#peek())) this.#at++;
    const keyword = this.#next();
    let word: TypeWord;
    if (keyword === 'struct' || keyword === 'union') word = this.#aggregate(keyword);
    else if (keyword === 'enum') word = this.#enum();
    else {
      const parts = [keyword];
      if (INT_WORDS.has(keyword)) while (INT_WORDS.has(this.#peek())) parts.push(this.#next());
      word = parts.join(' ');
    }
    while (QUALIFIERS.has(this.#peek())) this.#at++;
    return word;
  }

  #aggregate(kind: 'struct' | 'union'): TypeWord {
    const name = this.#peek() === '{' ? undefined : this.#name();
    if (!this.#take('{')) return `${kind} ${name ?? ''}`;
    const members: { [name: string]: TypeWord } = {};
    let anonymous = 0;
    while (!this.#take('}')) {
      const base = this.#base();
      for (const declarator of this.#declarators(base)) {
        const label = declarator.name ?? `$${++anonymous}`;
        if (label in members) throw this.#error(`two members named ${label}`);
        members[label] = declarator.word;
      }
    }
    if (name === undefined) return kind === 'struct' ? struct(members) : union(members);
    if (kind === 'struct') this.#target.struct(name, members);
    else this.#target.union(name, members);
    this.#declared.push(`${kind} ${name}`);
    return `${kind} ${name}`;
  }

  #enum(): TypeWord {
    const name = this.#peek() === '{' ? undefined : this.#name();
    if (!this.#take('{')) return `enum ${name ?? ''}`;
    const enumerators: { [name: string]: number } = {};
    let value = 0;
    while (!this.#take('}')) {
      const label = this.#name();
      if (this.#take('=')) value = this.#number();
      enumerators[label] = value;
      this.#numbers.set(label, value++);
      if (!this.#take(',') && this.#peek() !== '}') throw this.#error(`a ',' is missing`);
    }
    this.#target.enum(name, enumerators);
    if (name !== undefined) this.#declared.push(`enum ${name}`);
    // An enum without a name has the size of an int.
    return name === undefined ? 'unsigned int' : `enum ${name}`;
  }

  #number(): number {
    const sign = this.#take('-') ? -1 : 1;
    const token = this.#next();
    const value = this.#numbers.get(token) ?? Number(token);
    if (!Number.isSafeInteger(value)) throw this.#error(`'${token}' is no number`);
    return sign * value;
  }

  /** `*a, b[4], c:3;` of a type, to the semicolon; none: the type itself is an anonymous member. */
  #declarators(base: TypeWord): readonly Declarator[] {
    if (this.#take(';')) return [{ name: undefined, word: base }];
    const out: Declarator[] = [];
    do {
      out.push(this.#declarator(base));
    } while (this.#take(','));
    this.#expect(';');
    return out;
  }

  #declarator(base: TypeWord): Declarator {
    let pointers = 0;
    while (this.#peek() === '*' || QUALIFIERS.has(this.#peek())) pointers += this.#next() === '*' ? 1 : 0;
    const isFunction = this.#take('(');
    if (isFunction) this.#expect('*');
    const name = this.#name();
    let lengths = '';
    while (this.#take('[')) {
      lengths += `[${this.#peek() === ']' ? 0 : this.#number()}]`;
      this.#expect(']');
    }
    if (isFunction) this.#skipParameters();
    const bits = this.#take(':') ? `:${this.#number()}` : '';
    const derived = `${'*'.repeat(pointers)}${lengths}${bits}`;
    if (isFunction) return { name, word: `void *${lengths}` };
    if (derived === '') return { name, word: base };
    if (typeof base !== 'string') throw this.#error(`${name} is made of a struct without a name`);
    return { name, word: `${base} ${derived}` };
  }

  /** `)(int, void *)` behind the name of a function pointer. */
  #skipParameters(): void {
    this.#expect(')');
    this.#expect('(');
    for (let depth = 1; depth > 0; ) {
      const token = this.#next();
      depth += token === '(' ? 1 : token === ')' ? -1 : 0;
    }
  }
}
