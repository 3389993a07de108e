/** `whatis`: what a name is: the definition of a type, the declaration of a variable or function, an enumerator. */
import { UsageError } from '../base/errors.ts';
import type { CType } from '../debuginfo/type.ts';
import { defineCommand } from '../model/command.ts';
import type { Program } from '../program/program.ts';
import { sizeOf, strip } from '../program/types.ts';
import { declaration, definition, enumDefinition } from '../shell/c-types.ts';
import { functionType } from '../shell/expression.ts';
import { variableType } from '../shell/variable-types.ts';
import { definitionLines, structSpec } from '../shell/struct-view.ts';

export default defineCommand({
  name: 'whatis',
  summary: 'what a type, variable, function or enumerator is',
  options: [{ flag: 'o', summary: 'offsets of the members' }],
  arguments: [{ name: 'struct X | TYPE[.MEMBER] | symbol', kinds: ['type', 'symbol', 'member'] }],
  examples: [
    { line: 'whatis atomic_t', what: 'a typedef' },
    { line: 'whatis jiffies', what: 'a variable' },
    { line: 'whatis vfs_read', what: 'a function' },
  ],
  run({ program }, args) {
    const text = args.positionals.join(' ');
    if (text === '') throw new UsageError('what is what? usage: whatis TYPE[.MEMBER] | symbol');
    const lines = describe(program, text, args.has('o'));
    return { shape: 'lines', lines, data: () => lines };
  },
});

function describe(program: Program, text: string, offsets: boolean): readonly string[] {
  const tagged = /^(?:(struct|union|enum) )?(\w+)((?:\.[\w.,[\]]+)?)$/.exec(text);
  if (tagged?.[2] === undefined) throw new UsageError(`'${text}' is no name of a type or symbol`);
  const [, tag, name, members = ''] = tagged;
  if (members !== '') return definitionLines(structSpec(program, `${name}${members}`), true, undefined);
  if (tag === 'enum') return enumLines(program, name) ?? fail(`no enum '${name}' in this kernel`);
  if (tag === undefined) {
    const variable =
      program.symbols.lookup(name, { modules: true }) === undefined
        ? undefined
        : (variableType(program, name) ?? functionType(program, name));
    if (variable !== undefined) return [`${declaration(variable, name)};`];
    const type = program.types.lookFor(name);
    if (type?.kind === 'typedef') return [...typedefLines(type.target, name, offsets), `SIZE: ${sizeOf(type)}`];
    const known = enumLines(program, name);
    if (known !== undefined) return known;
    const value = program.types.lookForEnumerator(name);
    if (value !== undefined) return [`${name} = ${value}`];
    const symbol = program.symbols.lookup(name, { modules: true });
    if (symbol !== undefined && program.types.tryFind(`struct ${name}`) === undefined)
      return [`<${/^[tTwW]$/.test(symbol.type) ? 'text' : 'data'} variable, its type is not known> ${name};`];
  }
  return definitionLines(
    structSpec(program, name, tag === 'union' ? ['union'] : ['struct', 'union']),
    offsets,
    undefined,
  );
}

function enumLines(program: Program, name: string): readonly string[] | undefined {
  const type = program.types.lookFor(`enum ${name}`);
  return type === undefined ? undefined : enumDefinition(type);
}

/** `typedef struct { ... } atomic_t;` spells out what has no name of its own. */
function typedefLines(target: CType, name: string, offsets: boolean): readonly string[] {
  const bare = target.kind === 'struct' || target.kind === 'union' ? target : undefined;
  if (bare?.name === undefined && bare?.members !== undefined) {
    const lines = definition(bare, offsets ? { offsets: { base: undefined } } : {});
    return [`typedef ${lines[0]}`, ...lines.slice(1, -1), `} ${name};`];
  }
  if (target.kind === 'enum' && target.name === undefined) {
    const values = (target.enumerators ?? []).map((each) => `  ${each.name} = ${each.value}`);
    return ['typedef enum {', ...values, `} ${name};`];
  }
  // As gdb: what a chain of typedefs leads to.
  return [`typedef ${declaration(target.kind === 'typedef' ? strip(target) : target, name)};`];
}

function fail(message: string): never {
  throw new UsageError(message);
}
