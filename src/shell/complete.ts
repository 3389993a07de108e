/**
 * What Tab proposes: commands, their options, and what each of their arguments may be: tasks, symbols, types, members,
 * paths. Made of what the commands say of themselves; reads of the dump no more than names.
 */
import { attempt, UsageError } from '../base/errors.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import type { ArgumentKind, Command, CommandContext } from '../model/command.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';
import { evaluate } from './expression.ts';
import { memberNames } from './members.ts';
import { structSpec } from './struct-view.ts';
import { symbolsStarting } from './symbol-names.ts';

export interface Completion {
  /** Whole words that may stand where `word` stands, sorted. */
  readonly words: readonly string[];
  /** What was typed of it. */
  readonly word: string;
}

/** Gives the names of files that begin like this: known outside only. */
export type Paths = (prefix: string) => readonly string[];

/** A longer list helps nobody. */
const MAX_WORDS = 2000;

/** @param line - up to the cursor */
export function complete(
  line: string,
  context: Pick<CommandContext, 'program' | 'session' | 'use'>,
  paths: Paths,
): Completion {
  const { word, before, target } = split(line);
  const done = (words: Iterable<string>): Completion => ({
    words: [...new Set(words)]
      .filter((each) => each.startsWith(word))
      .sort()
      .slice(0, MAX_WORDS),
    word,
  });
  if (target) return done(paths(word));
  const { commands, aliases } = context.session;
  const [first] = before;
  if (first === undefined) {
    const known = [...commands.map(({ name }) => name), ...aliases.keys(), 'exit', 'history', 'repeat'];
    if (known.some((name) => name.startsWith(word)) || word.length < 2) return done(known);
    return done([
      ...memberWords(context.program, word),
      ...symbolsStarting(context.program, word, MAX_WORDS),
      ...typesStarting(context.program, word),
    ]);
  }
  const command = commandOf(first, context.session.commands, aliases);
  if (command === undefined)
    return done([...memberWords(context.program, word), ...symbolsStarting(context.program, word, MAX_WORDS)]);
  if (word.startsWith('-')) return done(command.options.map(({ flag }) => `-${flag}`));
  const option = command.options.find(({ flag, value }) => value !== undefined && before.at(-1) === `-${flag}`);
  const kinds =
    option === undefined ? command.arguments.flatMap((argument) => argument.kinds) : [option.kind ?? 'text'];
  const words = option === undefined ? command.arguments.flatMap((argument) => argument.words ?? []) : [];
  if (kinds.includes('expression')) {
    const members = membersAtEnd(context.program, line.trimStart().slice(first.length));
    if (members !== undefined) return members;
  }
  // foreach and help name commands, and what stands behind those is theirs.
  const inner = kinds.includes('command') ? context.session.commands.map(({ name }) => name) : [];
  return done([
    ...words,
    ...inner,
    ...kinds.flatMap((kind) => [...proposals(kind, word, command, option?.flag, context, paths)]),
  ]);
}

/** The word at the end, those before it, and whether it is the name of a file. */
function split(line: string): { readonly word: string; readonly before: readonly string[]; readonly target: boolean } {
  const start = Math.max(line.lastIndexOf(' '), line.lastIndexOf('\t')) + 1;
  const word = line.slice(start).replace(/^['"]/, '');
  const before = line
    .slice(0, start)
    .trim()
    .split(/\s+/)
    .filter((each) => each !== '');
  const target = /(?:^|[^-])(?:>>?|<)\s*$/.test(line.slice(0, start));
  return { word, before, target };
}

function commandOf(
  word: string,
  commands: readonly Command[],
  aliases: ReadonlyMap<string, string>,
): Command | undefined {
  const name = aliases.get(word)?.split(' ')[0] ?? word;
  return commands.find((command) => command.name === name);
}

function* proposals(
  kind: ArgumentKind,
  word: string,
  command: Command,
  flag: string | undefined,
  context: Pick<CommandContext, 'program' | 'use'>,
  paths: Paths,
): Generator<string> {
  const { program } = context;
  switch (kind) {
    case 'task':
      for (const { comm } of context.use(tasksFact).tasks) if (/^[\w./:-]+$/.test(comm)) yield comm;
      return;
    case 'symbol':
    case 'address':
      if (word.length > 1) yield* symbolsStarting(program, word, MAX_WORDS);
      return;
    case 'type':
      if (word.length > 1 && !word.includes('.')) yield* typesStarting(program, word);
      return;
    case 'member':
      // `task -R` names members of task_struct alone.
      if (command.name === 'task' && flag === 'R')
        yield* memberWords(program, `task_struct.${word}`, 'task_struct.'.length);
      else yield* memberWords(program, word);
      return;
    case 'expression':
      if (word.length > 1) yield* symbolsStarting(program, word, MAX_WORDS);
      return;
    case 'path':
      yield* paths(word);
      return;
    case 'command':
    case 'number':
    case 'cpus':
    case 'text':
  }
}

/** `task_struct.pi` to `task_struct.pid`; behind a comma too, and in nested structs. */
function* memberWords(program: Program, word: string, cut = 0): Generator<string> {
  const match = /^(\w+\.)((?:[\w.[\]]+,)*)((?:[\w[\]]+\.)*)(\w*)$/.exec(word);
  const [, type = '', listed = '', path = ''] = match ?? [];
  if (match === null) return;
  try {
    const spec = structSpec(program, path === '' ? type.slice(0, -1) : `${type}${path.slice(0, -1)}`);
    const [member] = spec.members;
    const outer = member === undefined ? spec.type : strip(member.place.type);
    if (outer.kind !== 'struct' && outer.kind !== 'union') return;
    for (const name of memberNames(outer)) yield `${type}${listed}${path}${name}`.slice(cut);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
  }
}

/** `init_task.pi`, `((struct mm_struct *)0xff)->to`: members of what stands in front of the last dot or arrow. */
function membersAtEnd(program: Program, expression: string): Completion | undefined {
  const match = /^(.*?)(?:\.|->)(\w*)$/.exec(expression.replace(/^(?:\s+-[a-z]+)*\s+/, ''));
  const [, front, word] = match ?? [];
  if (front === undefined || word === undefined) return undefined;
  // All of it, else what stands behind the last operator.
  for (const operand of [front, /[\w.>\-[\]:]+$/.exec(front)?.[0] ?? '']) {
    try {
      const type = attempt(() => evaluate(program, operand).type);
      const bare = type === undefined ? undefined : strip(type);
      const outer = bare?.kind === 'pointer' ? strip(bare.target) : bare;
      if (outer?.kind !== 'struct' && outer?.kind !== 'union') continue;
      return {
        words: memberNames(outer)
          .filter((name) => name.startsWith(word))
          .sort(),
        word,
      };
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
  }
  return undefined;
}

function* typesStarting(program: Program, prefix: string): Generator<string> {
  let count = 0;
  for (const source of program.types.sources) {
    for (const name of source.typeNames?.() ?? []) {
      if (!name.startsWith(prefix)) continue;
      yield name;
      if (++count > MAX_WORDS) return;
    }
  }
}
