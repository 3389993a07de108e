/** `how`: what one would type in crash and in drgn for a command, and which calls of our library it makes. */
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import { isDataError, UsageError } from '../base/errors.ts';
import { parseCommandArguments, wordsOf } from '../shell/arguments.ts';
import { resolve } from '../shell/execute.ts';
import { FactStore } from '../shell/facts.ts';
import { OTHER_TOOLS, withArgument } from '../shell/other-tools.ts';
import { type RecordedCall, recorder } from '../shell/recorder.ts';

/** More are no help. */
const MAX_CALLS = 40;

export default defineCommand({
  name: 'how',
  summary: 'what one would type elsewhere for a command, and what it asks of the library',
  description: [
    'The command is run, and its answer left out: below what one would type in crash and in drgn stand the calls of the library that it made, each once with how often. A script makes the same (docs/library.md).',
  ],
  options: [{ flag: 'a', summary: 'all calls, and not the first 40 only' }],
  arguments: [
    { name: 'command', kinds: ['command'] },
    { name: 'its arguments', kinds: ['text'], optional: true, repeated: true },
  ],
  optionsFirst: true,
  examples: [
    { line: 'how ps -G', what: 'where the columns of ps come from' },
    { line: 'how why 96', what: 'what one would do by hand instead' },
  ],
  run(context, args) {
    if (args.positionals.length === 0) throw new UsageError('how of which command? usage: how command [its arguments]');
    const found = resolve(wordsOf(args.positionals), context.session, () => context.program);
    const { name } = found.command;
    const { calls, facts } = record(context, args);
    const tools = OTHER_TOOLS[name];
    const [argument] = parseCommandArguments(found.command, found.words).positionals;
    const line = [name, ...found.words.map(({ raw }) => raw)].join(' ');
    const crash = tools === undefined ? [] : (tools.crash ?? [line]);
    const drgn = (tools?.drgn ?? []).map((each) => withArgument(each, argument));
    const most = args.has('a') ? calls.length : MAX_CALLS;
    const none = (lines: readonly string[], text: string): readonly string[] => (lines.length === 0 ? [text] : lines);
    return {
      shape: 'lines',
      lines: [
        [{ text: 'crash', style: 'heading' }],
        ...none(crash, '(nothing)').map(indented),
        [{ text: 'drgn', style: 'heading' }],
        ...none(drgn, '(nothing)').map(indented),
        [{ text: 'kwhy', style: 'heading' }],
        ...facts.map((fact) => indented(`use(${fact}Fact)`)),
        ...calls.slice(0, most).map(({ text, times }) => indented(times === 1 ? text : `${text}  # ${times} times`)),
        ...(calls.length > most ? [indented(`... ${calls.length - most} more; how -a shows them`)] : []),
      ],
      data: () => ({
        command: name,
        crash,
        drgn,
        facts: [...facts],
        calls: calls.map(({ text, times }) => ({ text, times })),
      }),
    };
  },
});

const indented = (text: string): string => `  ${text}`;

interface Recorded {
  readonly calls: readonly RecordedCall[];
  /** Camel-cased, as they are exported. */
  readonly facts: readonly string[];
}

/** Runs the command with a Program that notes its calls, and with facts that are derived from it anew. */
function record(context: CommandContext, args: CommandArguments): Recorded {
  const { budget, session } = context;
  const watch = recorder(context.program);
  const store = new FactStore();
  const facts = new Set<string>();
  const inner: CommandContext = {
    program: watch.program,
    budget,
    session,
    cover: context.cover,
    use(fact) {
      facts.add(camelCase(fact.id));
      return store.use(fact, watch.program, budget, context.cover);
    },
    problem: context.problem,
    failure: context.failure,
    call: (name, words) => start([name, ...words]),
  };
  const start = (line: readonly string[]): Shape => {
    const { command, words } = resolve(wordsOf(line), session, () => watch.program);
    return command.run(inner, parseCommandArguments(command, words));
  };
  try {
    drain(start(args.positionals), () => budget.check());
  } catch (error) {
    if (!isDataError(error)) throw error;
    context.problem(`${args.text}: ${error.message}`);
  }
  return { calls: watch.calls(), facts: [...facts] };
}

/** What shows lines only when they are asked for reads only then. */
function drain(shape: Shape, check: () => void): void {
  if (shape.shape === 'list') for (const item of shape.items) drain(item, check);
  else if (shape.shape === 'lines') for (const _ of shape.lines) check();
}

function camelCase(id: string): string {
  return id.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
