/**
 * Evaluates C expressions on a dump. Values are typed; what has an address is read when it is shown. Arithmetic follows C
 * on x86-64. A variable whose type nobody knows (BTF has none of ordinary variables) has to be cast, as in gdb.
 *
 * Beside C: `per_cpu(symbol, cpu)`, `per_cpu_ptr(pointer, cpu)`, `offsetof(type, member)`, `container_of(pointer, type,
 * member)`. Nothing is ever called or written.
 */
import { add, diff, virt, type VirtAddr } from '../base/address.ts';
import { LookupError, UsageError } from '../base/errors.ts';
import type { CType } from '../debuginfo/type.ts';
import type { Program } from '../program/program.ts';
import { sizeOf, strip } from '../program/types.ts';
import { cTypeName } from './c-types.ts';
import { bytesPlace, memoryPlace, type Place, scalar } from './c-value.ts';
import { type Expression, parseExpression, type TypeName } from './expression-parser.ts';
import { findMember, memberNames } from './members.ts';
import { nearestSymbol } from './symbol-names.ts';
import { variableType } from './variable-types.ts';
import { nearest } from '../base/nearest.ts';

export interface CValue {
  readonly type: CType;
  readonly place: Place;
  /** Undefined for results and for bit fields. */
  readonly address: VirtAddr | undefined;
  /** Set for a variable of which only the address is known. */
  readonly untyped?: string;
}

const INT: CType = { kind: 'int', name: 'int', size: 4, signed: true, encoding: 'int' };
const CHAR: CType = { kind: 'int', name: 'char', size: 1, signed: true, encoding: 'char' };
const UINT: CType = { kind: 'int', name: 'unsigned int', size: 4, signed: false, encoding: 'int' };
const LONG: CType = { kind: 'int', name: 'long int', size: 8, signed: true, encoding: 'int' };
const ULONG: CType = { kind: 'int', name: 'long unsigned int', size: 8, signed: false, encoding: 'int' };
const VOID: CType = { kind: 'void' };

/** @throws UsageError for what is no expression or has no value; FaultError when memory that it needs cannot be read */
export function evaluate(program: Program, source: string): CValue {
  const isType = (name: string): boolean => {
    // A variable of that name goes first: `(jiffies)` is no cast.
    if (program.symbols.kernel.lookup(name) !== undefined && program.types.tryFind(name)?.kind !== 'typedef')
      return false;
    return program.types.lookFor(name) !== undefined;
  };
  return new Evaluator(program).value(parseExpression(source, isType));
}

/** The value as an address: that of a pointer, an integer, or where an array or function lies. @throws UsageError */
export function addressOf(program: Program, value: CValue): VirtAddr {
  const bare = strip(value.type);
  if (
    value.untyped !== undefined ||
    bare.kind === 'array' ||
    bare.kind === 'function' ||
    bare.kind === 'struct' ||
    bare.kind === 'union'
  ) {
    if (value.address === undefined) throw new UsageError('this value has no address');
    return value.address;
  }
  void program;
  return virt(numberOf(value));
}

/** The value of a scalar. @throws UsageError when it is none, FaultError */
export function numberOf(value: CValue): bigint {
  if (value.untyped !== undefined) throw untyped(value.untyped);
  const bare = strip(value.type);
  switch (bare.kind) {
    case 'int':
    case 'enum':
      return scalar(value.place, bare.size, bare.signed);
    case 'pointer':
      return scalar(value.place, 8, false);
    case 'array':
    case 'function':
      if (value.address !== undefined) return value.address;
      break;
    default:
  }
  throw new UsageError(`a value of type ${cTypeName(value.type)} is no number`);
}

function untyped(name: string): UsageError {
  return new UsageError(
    `the type of ${name} is not known (BTF has no types of ordinary variables); cast it: (int)${name}, *(struct x *)&${name}`,
  );
}

function constant(type: CType, value: bigint): CValue {
  const size = Math.max(1, sizeOf(type));
  const bytes = new Uint8Array(size);
  let rest = BigInt.asUintN(size * 8, value);
  for (let i = 0; i < size; i++) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return { type, place: bytesPlace(bytes), address: undefined };
}

class Evaluator {
  readonly #program: Program;

  constructor(program: Program) {
    this.#program = program;
  }

  value(expression: Expression): CValue {
    switch (expression.kind) {
      case 'number':
        return literal(expression);
      case 'name':
        return this.#name(expression.name);
      case 'unary':
        return this.#unary(expression.operator, expression.operand);
      case 'binary':
        return this.#binary(expression.operator, expression.left, expression.right);
      case 'conditional':
        return numberOf(this.value(expression.test)) !== 0n ? this.value(expression.yes) : this.value(expression.no);
      case 'member':
        return this.#member(this.value(expression.object), expression.name);
      case 'index':
        return this.#index(this.value(expression.object), numberOf(this.value(expression.index)));
      case 'cast':
        return this.#cast(this.type(expression.type), this.value(expression.operand));
      case 'at':
        return this.#at(this.type(expression.type), addressOf(this.#program, this.value(expression.address)));
      case 'sizeof': {
        const type = expression.type === undefined ? this.#operandType(expression.operand) : this.type(expression.type);
        return constant(ULONG, BigInt(sizeOf(type)));
      }
      case 'call':
        return this.#call(expression.name, expression.args);
    }
  }

  #operandType(operand: Expression | undefined): CType {
    if (operand === undefined) throw new UsageError('sizeof of nothing');
    const value = this.value(operand);
    if (value.untyped !== undefined) throw untyped(value.untyped);
    return value.type;
  }

  type({ base, pointers }: TypeName): CType {
    const { types } = this.#program;
    let type = types.lookFor(base);
    if (type === undefined && !/ /.test(base)) type = types.lookFor(`struct ${base}`) ?? types.lookFor(`union ${base}`);
    if (type === undefined) throw new UsageError(`no type '${base}' in this kernel`);
    for (let i = 0; i < pointers; i++) type = { kind: 'pointer', size: 8, target: type };
    return type;
  }

  #at(type: CType, address: VirtAddr, bits?: Place['bits']): CValue {
    return {
      type,
      place: memoryPlace(this.#program, address, bits),
      address: bits === undefined ? address : undefined,
    };
  }

  #name(name: string): CValue {
    const program = this.#program;
    const symbol = program.symbols.lookup(name, { modules: true });
    if (symbol === undefined) {
      const enumerator = program.types.lookForEnumerator(name);
      if (enumerator !== undefined)
        return constant(enumerator > 0x7fffffffn || enumerator < -0x80000000n ? LONG : INT, enumerator);
      const guess = nearestSymbol(program, name);
      throw new UsageError(`no symbol or enumerator '${name}'${guess === undefined ? '' : `; did you mean ${guess}?`}`);
    }
    const type =
      variableType(program, name) ?? (/^[tTwW]$/.test(symbol.type) ? functionType(program, name) : undefined);
    if (type === undefined)
      return { type: VOID, place: memoryPlace(program, symbol.address), address: symbol.address, untyped: name };
    return this.#at(type, symbol.address);
  }

  #unary(operator: string, operand: Expression): CValue {
    const value = this.value(operand);
    switch (operator) {
      case '&': {
        if (value.address === undefined) throw new UsageError('& of something that has no address');
        return constant({ kind: 'pointer', size: 8, target: value.type }, value.address);
      }
      case '*':
        return this.#deref(value);
      case '!':
        return constant(INT, numberOf(value) === 0n ? 1n : 0n);
      default: {
        const type = promoted(value.type);
        const number = numberOf(value);
        return constant(type, operator === '-' ? -number : operator === '~' ? ~number : number);
      }
    }
  }

  #deref(value: CValue): CValue {
    if (value.untyped !== undefined) throw untyped(value.untyped);
    const bare = strip(value.type);
    if (bare.kind === 'function') return value;
    if (bare.kind === 'array') return this.#index(value, 0n);
    // gdb takes an integer for the address of a long.
    if (bare.kind === 'int') return this.#at(LONG, virt(numberOf(value)));
    if (bare.kind !== 'pointer') throw new UsageError(`a value of type ${cTypeName(value.type)} points nowhere`);
    if (strip(bare.target).kind === 'void') throw new UsageError('a void * must be cast before it is followed');
    return this.#at(bare.target, virt(numberOf(value)));
  }

  #member(value: CValue, name: string): CValue {
    if (value.untyped !== undefined) throw untyped(value.untyped);
    const bare = strip(value.type);
    if (bare.kind === 'pointer') return this.#member(this.#deref(value), name);
    if (bare.kind !== 'struct' && bare.kind !== 'union')
      throw new UsageError(`a value of type ${cTypeName(value.type)} has no member ${name}`);
    const found = findMember(this.#program, bare, name);
    if (found === undefined) {
      const guess = nearest(name, memberNames(bare));
      throw new UsageError(
        `${cTypeName(bare)} has no member '${name}'${guess === undefined ? '' : `; did you mean ${guess}?`}`,
      );
    }
    const { place } = found;
    if (value.address !== undefined) return this.#at(place.type, add(value.address, place.offset), place.bits);
    const outer = value.place;
    const bytes = (offset: number, length: number): Uint8Array => outer.bytes(place.offset + offset, length);
    return {
      type: place.type,
      place: place.bits === undefined ? { bytes } : { bytes, bits: place.bits },
      address: undefined,
    };
  }

  #index(value: CValue, index: bigint): CValue {
    if (value.untyped !== undefined) throw untyped(value.untyped);
    const bare = strip(value.type);
    if (bare.kind === 'pointer')
      return this.#at(bare.target, add(virt(numberOf(value)), index * BigInt(sizeOf(bare.target))));
    if (bare.kind !== 'array' || value.address === undefined)
      throw new UsageError(`a value of type ${cTypeName(value.type)} has no elements`);
    return this.#at(bare.element, add(value.address, index * BigInt(sizeOf(bare.element))));
  }

  #cast(type: CType, value: CValue): CValue {
    const bare = strip(type);
    // (int)symbol of an untyped variable: its bytes as an int, as in gdb.
    if (value.untyped !== undefined && value.address !== undefined) return this.#at(type, value.address);
    if (bare.kind === 'struct' || bare.kind === 'union') {
      if (value.address === undefined) throw new UsageError(`cannot cast a result to ${cTypeName(type)}`);
      return this.#at(type, value.address);
    }
    if (bare.kind === 'void') return value;
    if (bare.kind !== 'int' && bare.kind !== 'pointer' && bare.kind !== 'enum')
      throw new UsageError(`cannot cast to ${cTypeName(type)}`);
    const number = numberOf(value);
    return constant(type, bare.kind === 'int' && bare.encoding === 'bool' ? (number === 0n ? 0n : 1n) : number);
  }

  #binary(operator: string, leftSide: Expression, rightSide: Expression): CValue {
    const left = this.value(leftSide);
    if (operator === '&&' || operator === '||') {
      const first = numberOf(left) !== 0n;
      if (operator === '&&' ? !first : first) return constant(INT, first ? 1n : 0n);
      return constant(INT, numberOf(this.value(rightSide)) !== 0n ? 1n : 0n);
    }
    const right = this.value(rightSide);
    if (operator === '@') return this.#repeat(left, numberOf(right));
    const pointer = pointerMath(operator, left, right);
    if (pointer !== undefined) return pointer;
    return arithmetic(operator, left, right);
  }

  #repeat(value: CValue, count: bigint): CValue {
    if (value.address === undefined) throw new UsageError('@ needs something that lies in memory on its left');
    if (count < 1n || count > 1n << 20n) throw new UsageError(`@${count}: must be from 1 to 1048576`);
    return this.#at({ kind: 'array', element: value.type, length: Number(count) }, value.address);
  }

  #call(name: string, args: readonly (Expression | TypeName)[]): CValue {
    const expression = (i: number): Expression => {
      const arg = args[i];
      if (arg === undefined || 'base' in arg) throw new UsageError(`${name}: argument ${i + 1} must be a value`);
      return arg;
    };
    const typeArgument = (i: number): CType => {
      const arg = args[i];
      if (arg === undefined || !('base' in arg)) throw new UsageError(`${name}: argument ${i + 1} must be a type`);
      return this.type(arg);
    };
    switch (name) {
      case 'per_cpu': {
        const base = this.value(expression(0));
        if (base.address === undefined) throw new UsageError('per_cpu: argument 1 must be a per-CPU variable');
        const at = this.#perCpu(base.address, numberOf(this.value(expression(1))));
        return base.untyped === undefined
          ? this.#at(base.type, at)
          : { ...base, address: at, place: memoryPlace(this.#program, at) };
      }
      case 'per_cpu_ptr': {
        const base = this.value(expression(0));
        return constant(base.type, this.#perCpu(virt(numberOf(base)), numberOf(this.value(expression(1)))));
      }
      case 'offsetof':
        return constant(ULONG, BigInt(this.#program.types.member(typeArgument(0), memberPath(expression(1))).offset));
      case 'container_of': {
        const type = typeArgument(1);
        const { offset } = this.#program.types.member(type, memberPath(expression(2)));
        return constant(
          { kind: 'pointer', size: 8, target: type },
          add(virt(numberOf(this.value(expression(0)))), -offset),
        );
      }
      default:
        throw new UsageError(
          `${name}(): a dump cannot be made to run functions; per_cpu, per_cpu_ptr, offsetof and container_of are known`,
        );
    }
  }

  #perCpu(base: VirtAddr, cpu: bigint): VirtAddr {
    if (cpu < 0n || cpu > 8191n) throw new UsageError(`there is no CPU ${cpu}`);
    return this.#program.perCpuAddress(base, Number(cpu));
  }
}

/** 'se.exec_start' of the parsed `se.exec_start`. */
function memberPath(expression: Expression): string {
  if (expression.kind === 'name') return expression.name;
  if (expression.kind === 'member') return `${memberPath(expression.object)}.${expression.name}`;
  if (expression.kind === 'index' && expression.index.kind === 'number')
    return `${memberPath(expression.object)}[${expression.index.value}]`;
  throw new UsageError('this is no path of members');
}

/** Type of a function, where a source of types knows it. */
export function functionType(program: Program, name: string): CType | undefined {
  for (const source of program.types.sources) {
    const type = source.func(name);
    if (type !== undefined) return type;
  }
  return undefined;
}

/** C's type of a literal: the first of int, long (and for hex their unsigned forms) that holds it. */
function literal({ value, hex: isHex, unsigned, character }: Expression & { readonly kind: 'number' }): CValue {
  if (character === true) return constant(CHAR, value);
  if (value <= 0x7fffffffn) return constant(unsigned ? UINT : INT, value);
  if (value <= 0xffffffffn && (isHex || unsigned)) return constant(UINT, value);
  if (value <= 0x7fff_ffff_ffff_ffffn && !unsigned) return constant(LONG, value);
  return constant(ULONG, value);
}

/** Integer promotion. @throws UsageError when it is no number */
function promoted(type: CType): CType {
  const bare = strip(type);
  if (bare.kind === 'pointer' || bare.kind === 'array' || bare.kind === 'function') return ULONG;
  if (bare.kind === 'enum') return bare.size === 8 ? (bare.signed ? LONG : ULONG) : bare.signed ? INT : UINT;
  if (bare.kind !== 'int') throw new UsageError(`no arithmetic with a value of type ${cTypeName(type)}`);
  if (bare.size < 4) return INT;
  if (bare.size === 4) return bare.signed ? INT : UINT;
  return bare.signed ? LONG : ULONG;
}

function commonType(left: CType, right: CType): CType {
  const rank = [INT, UINT, LONG, ULONG];
  return rank[Math.max(rank.indexOf(left), rank.indexOf(right))] ?? LONG;
}

function pointerMath(operator: string, left: CValue, right: CValue): CValue | undefined {
  if (operator !== '+' && operator !== '-') return undefined;
  const target = (value: CValue): CType | undefined => {
    const bare = strip(value.type);
    if (value.untyped !== undefined) return undefined;
    return bare.kind === 'pointer' ? bare.target : bare.kind === 'array' ? bare.element : undefined;
  };
  const a = target(left);
  const b = target(right);
  if (a === undefined && b === undefined) return undefined;
  const step = (of: CType): bigint => BigInt(Math.max(1, sizeOf(of)));
  if (a !== undefined && b !== undefined) {
    if (operator === '+') throw new UsageError('two pointers cannot be added');
    return constant(LONG, diff(virt(numberOf(left)), virt(numberOf(right))) / step(a));
  }
  const [pointer, of, number] = a !== undefined ? [left, a, right] : [right, b ?? VOID, left];
  if (operator === '-' && pointer === right) throw new UsageError('a pointer cannot be taken from a number');
  const distance = numberOf(number) * step(of);
  return constant(
    { kind: 'pointer', size: 8, target: of },
    add(virt(numberOf(pointer)), operator === '+' ? distance : -distance),
  );
}

function arithmetic(operator: string, left: CValue, right: CValue): CValue {
  const shift = operator === '<<' || operator === '>>';
  const type = shift ? promoted(left.type) : commonType(promoted(left.type), promoted(right.type));
  const { size, signed } = type.kind === 'int' ? type : { size: 8, signed: true };
  const convert = (value: bigint): bigint =>
    signed ? BigInt.asIntN(size * 8, value) : BigInt.asUintN(size * 8, value);
  const a = convert(numberOf(left));
  const b = shift ? numberOf(right) : convert(numberOf(right));
  const truth = (value: boolean): CValue => constant(INT, value ? 1n : 0n);
  switch (operator) {
    case '+':
      return constant(type, a + b);
    case '-':
      return constant(type, a - b);
    case '*':
      return constant(type, a * b);
    case '/':
    case '%':
      if (b === 0n) throw new UsageError('division by zero');
      return constant(type, operator === '/' ? a / b : a % b);
    case '&':
      return constant(type, a & b);
    case '|':
      return constant(type, a | b);
    case '^':
      return constant(type, a ^ b);
    case '<<':
    case '>>':
      if (b < 0n || b > 63n) throw new UsageError(`cannot shift by ${b}`);
      return constant(type, operator === '<<' ? a << b : a >> b);
    case '==':
      return truth(a === b);
    case '!=':
      return truth(a !== b);
    case '<':
      return truth(a < b);
    case '>':
      return truth(a > b);
    case '<=':
      return truth(a <= b);
    case '>=':
      return truth(a >= b);
    default:
      throw new LookupError('member', `operator ${operator}`);
  }
}

/** An address as commands take it: hex with or without `0x`, a symbol, or an expression. @throws UsageError, FaultError */
export function addressArgument(program: Program, text: string): VirtAddr {
  if (
    /^(?:0x)?[0-9a-f]{1,16}$/i.test(text) &&
    (/^0x/i.test(text) || program.symbols.lookup(text, { modules: true }) === undefined)
  ) {
    return virt(BigInt(`0x${text.replace(/^0x/i, '')}`));
  }
  const symbol = /^([A-Za-z_][\w.]*)(?:([+-])((?:0x)?[0-9a-f]+))?$/i.exec(text);
  const found = symbol?.[1] === undefined ? undefined : program.symbols.lookup(symbol[1], { modules: true });
  if (found !== undefined) {
    const offset =
      symbol?.[3] === undefined
        ? 0n
        : BigInt(/^\d+$/.test(symbol[3]) ? symbol[3] : `0x${symbol[3].replace(/^0x/i, '')}`);
    return add(found.address, symbol?.[2] === '-' ? -offset : offset);
  }
  return addressOf(program, evaluate(program, text));
}
