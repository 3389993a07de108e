/** `help`: the commands, or one of them, or the syntax of lines; made from what the commands say of themselves. */
import { UsageError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { type Command, defineCommand, type Session } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import type { Data } from '../model/value.ts';
import { optionText, usageOf } from '../shell/arguments.ts';

/** Texts of their own, by the words that crash has for them. */
const TOPICS: { readonly [name: string]: readonly string[] } = {
  input: [
    'A line is a command with options and arguments; quotes keep blanks together, # begins a comment.',
    '',
    '  PID          decimal: ps 96',
    '  ADDRESS      hex, with or without 0x: task ffff88899fc4a0c0',
    "  'PATTERN'    in quotes, for names of tasks: ps 'cro.*'",
    '  SYMBOL       p jiffies, rd init_task, sym mutex_lock; +OFFSET may follow',
    '  TYPE.MEMBER  task_struct.pid,comm ADDRESS: the word struct may be left out',
    '',
    '  < FILE            commands from a file, one on each line',
    '  COMMAND < FILE    the command once for each line of the file, which gives its arguments',
    '  repeat [-N] LINE  the line again and again, N seconds apart, until Ctrl-C',
    '  alias NAME LINE   a word of your own; $HOME/.kwhyrc is read at the start',
    '  !PROGRAM          a program of the system',
  ],
  output: [
    '  COMMAND | PROGRAM   the output goes to a program of the system',
    '  COMMAND > FILE      into a file; >> adds to it',
    '',
    'Inside parentheses, | < and > belong to an expression: p (1 << 3).',
    'Control characters that stand in the dump are shown as \\x1b; --json of kwhy run has names exactly.',
    'What is missing in an answer is told below it, on standard error.',
  ],
};

export default defineCommand({
  name: 'help',
  aliases: ['?', 'man'],
  summary: 'the commands, or one of them',
  options: [],
  arguments: [
    {
      name: 'command | input | output',
      kinds: ['command'],
      words: Object.keys(TOPICS),
      optional: true,
      repeated: true,
    },
  ],
  examples: [
    { line: 'help', what: 'all commands' },
    { line: 'help ps', what: 'the options of ps, with examples' },
    { line: 'help input', what: 'how addresses, names and patterns are written' },
  ],
  run({ session }, { positionals }) {
    if (positionals.length === 0) return commandList(session);
    return { shape: 'list', items: positionals.map((name) => topic(session, name)) };
  },
});

function commandList({ commands, aliases }: Session): Shape {
  return {
    shape: 'list',
    items: [
      {
        shape: 'table',
        header: false,
        columns: [
          { key: 'name', label: 'COMMAND', align: 'left' },
          { key: 'summary', label: 'WHAT', align: 'left' },
        ],
        rows: commands.map(({ name, summary }) => [{ kind: 'command', value: name }, summary]),
      },
      {
        shape: 'text',
        lines: [
          ['help COMMAND shows its options and examples; help input and help output the syntax of lines.'],
          [`Other words: ${[...aliases].map(([alias, line]) => `${alias} = ${line}`).join(', ')}`],
        ],
      },
    ],
  };
}

function topic(session: Session, name: string): Shape {
  const text = Object.hasOwn(TOPICS, name) ? TOPICS[name] : undefined;
  if (text !== undefined) return { shape: 'lines', lines: text, data: () => text };
  const meant = session.aliases.get(name)?.split(' ')[0] ?? name;
  const command = session.commands.find((each) => each.name === meant);
  if (command === undefined) {
    const guess = nearest(name, [...session.commands.map((each) => each.name), ...session.aliases.keys()]);
    throw new UsageError(`no command '${name}'${guess === undefined ? '' : `; did you mean ${guess}?`}`);
  }
  return { shape: 'lines', lines: page(command, session), data: () => pageData(command) };
}

function* page(command: Command, session: Session): Generator<TextLine> {
  yield [{ text: command.name, style: 'heading' }, ` - ${command.summary}`];
  yield '';
  yield [{ text: 'usage: ', style: 'label' }, usageOf(command)];
  const aliases = [...session.aliases].filter(([, line]) => line.split(' ')[0] === command.name);
  if (aliases.length > 0)
    yield `also:  ${aliases.map(([alias, line]) => (line === command.name ? alias : `${alias} = ${line}`)).join(', ')}`;
  for (const paragraph of command.description ?? []) {
    yield '';
    yield* folded(paragraph);
  }
  if (command.options.length > 0) yield '';
  const width = Math.max(0, ...command.options.map((option) => optionText(option).length));
  for (const option of command.options) yield `  ${optionText(option).padEnd(width)}  ${option.summary}`;
  yield '';
  const lines = command.examples.map(({ line }) => line.length);
  const wide = Math.min(60, Math.max(...lines));
  for (const { line, what } of command.examples)
    yield [`  `, { text: line.padEnd(wide), style: 'symbol' }, `  ${what}`];
}

/** Words in lines of at most 100 columns. */
function folded(paragraph: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of paragraph.split(' ')) {
    if (line !== '' && line.length + word.length >= 100) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function pageData(command: Command): Data {
  return {
    name: command.name,
    summary: command.summary,
    usage: usageOf(command),
    options: command.options.map((option) => ({ option: optionText(option), summary: option.summary })),
    examples: command.examples.map(({ line, what }) => ({ line, what })),
  };
}
