/**
 * Lines that try a command with each of its options, made of what the command says it takes: with the arguments it wants,
 * with none, with wrong ones, and with letters that a terminal would obey.
 */
import type { ArgumentKind, Command, CommandOption } from '../../src/model/command.ts';
import { HOSTILE, type Values } from './values.ts';

/** Commands that change what the next ones are about: asked last. */
const LAST = ['set', 'alias'];
/** Commands that read all of memory: each option once is enough, on a part of it. */
const HEAVY = ['search'];
const partOf = (command: Command, { address: [at = '0'] }: Values): string =>
  HEAVY.includes(command.name) ? `-s ${at} -l 100000` : '';
const KINDS_OF_TASKS = 'kernel user gleader active RU IN UN ST ZO TR SW DE WA PA ID NE'.split(' ');

/**
 * @param thorough - with pairs of options, and options with every argument; else each option once or twice
 */
export function linesOf(commands: readonly Command[], values: Values, thorough: boolean): readonly string[] {
  const first = commands.filter(({ name }) => !LAST.includes(name));
  const last = commands.filter(({ name }) => LAST.includes(name));
  const lines = [...first, ...last].flatMap((command) => [
    ...ofCommand(command, values, thorough && !HEAVY.includes(command.name)),
    ...command.examples.map(({ line }) => withoutSystem(line)),
    ...ofEachTask(command, thorough),
    // These do not depend on the dump.
    ...(thorough ? [`help ${command.name}`, `how ${command.name} ${argumentSets(command, values)[0] ?? ''}`] : []),
  ]);
  return [...new Set(lines.map((line) => line.trim()).filter((line) => line !== ''))];
}

/** Examples that lead to programs and files try the command alone. */
function withoutSystem(line: string): string {
  return line.replace(/\s[|<>].*$/, '').replace(/^[!<].*$/, '');
}

function ofCommand(command: Command, values: Values, thorough: boolean): readonly string[] {
  const sets = argumentSets(command, values);
  const [wanted = ''] = sets;
  const line = (...words: readonly string[]): string =>
    [command.name, ...words].filter((word) => word !== '').join(' ');
  const plain = command.options.filter(({ value, optionalValue }) => value === undefined || optionalValue === true);
  const isOptional = command.arguments[0] === undefined || command.arguments[0].optional === true;
  const alone = [line(), ...sets.slice(0, thorough ? sets.length : 3).map((set) => line(set))];
  const each = command.options.flatMap((option) =>
    optionWords(option, values, thorough ? 99 : HEAVY.includes(command.name) ? 1 : 2).flatMap((words) =>
      [...(isOptional ? [''] : []), ...sets.slice(0, thorough ? 3 : 1)].map((set) =>
        line(words, partOf(command, values), set),
      ),
    ),
  );
  const together = line(...plain.map(({ flag }) => `-${flag}`), wanted);
  if (!thorough) return [...alone, ...each, together];
  return [
    ...alone,
    ...each,
    together,
    ...plain.flatMap((a, i) => plain.slice(i + 1).map((b) => line(`-${a.flag}`, `-${b.flag}`, wanted))),
    ...command.options.flatMap(({ flag, value, optionalValue }) => [
      line(`-${flag}`),
      line(wanted, `-${flag}`),
      line(`-${flag}${flag}`, wanted),
      ...(value === undefined ? [] : [line(`-${flag}${optionalValue === true ? '=' : ' '}${HOSTILE}`, wanted)]),
    ]),
    line('-~'),
    line(HOSTILE),
    line('-'),
    line('--', wanted),
    line(...Array.from({ length: 40 }, () => wanted || 'x')),
  ];
}

/** `foreach` with each command for tasks and its options. */
function ofEachTask(command: Command, thorough: boolean): readonly string[] {
  if (command.name === 'foreach')
    return KINDS_OF_TASKS.slice(0, thorough ? KINDS_OF_TASKS.length : 4).map((kind) => `foreach ${kind} ps`);
  if (!command.arguments.some(({ kinds }) => kinds.includes('task'))) return [];
  const plain = command.options.filter(({ value }) => value === undefined);
  return [
    `foreach ${command.name}`,
    ...plain.slice(0, thorough ? plain.length : 0).map(({ flag }) => `foreach user ${command.name} -${flag}`),
    `foreach active ${command.name} -R ffff`,
    `foreach 99999999 ${HOSTILE} ${command.name}`,
  ];
}

/** '-c 0', '-i=shared': an option with each value of its kind. */
function optionWords(
  { flag, value, optionalValue, kind = 'text' }: CommandOption,
  values: Values,
  most: number,
): string[] {
  if (value === undefined) return [`-${flag}`];
  const of = valuesFor([kind], values).slice(0, most);
  if (optionalValue === true) return [`-${flag}`, ...of.map((each) => `-${flag}=${each}`)];
  return of.map((each) => `-${flag} ${each}`);
}

/** What a command is given behind its options, what it wants most first. */
function argumentSets(command: Command, values: Values): readonly string[] {
  const lists = command.arguments.map((argument) => [...(argument.words ?? []), ...valuesFor(argument.kinds, values)]);
  const [first = [], ...others] = lists;
  const rest = others.map((list) => list[0] ?? '');
  const needed = command.arguments.slice(1).map(({ optional }, i) => (optional === true ? '' : (rest[i] ?? '')));
  const sets = first.map((value) => [value, ...needed].join(' ').trim());
  const others2 = others.flatMap((list, i) =>
    list.slice(0, 4).map((value) => [first[0] ?? '', ...rest.slice(0, i), value].join(' ')),
  );
  return [...new Set([...sets, ...others2])];
}

/** Taken in turn, so that the first few are of each kind. */
function valuesFor(kinds: readonly ArgumentKind[], values: Values): readonly string[] {
  const lists = kinds.map((kind) => values[kind]);
  const longest = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list[i] ?? [])).flat();
}
