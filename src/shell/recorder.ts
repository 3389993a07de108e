/**
 * Watches which calls of the library a command makes: a Program whose methods note their names and arguments, once each with
 * how often, before they do what they do. For `how`; what a command keeps from earlier commands is derived anew.
 */
import type { Program } from '../program/program.ts';

export interface RecordedCall {
  /** "program.field('struct task_struct', 'pid')". */
  readonly text: string;
  readonly times: number;
}

export interface Recorder {
  readonly program: Program;
  /** In the order of their first time. */
  calls(): readonly RecordedCall[];
  /** Notes a call that is none of the Program. */
  note(text: string): void;
}

/** Methods and parts that are worth telling; what the helpers ask a thousand times is told by its arguments once. */
const TOLD: ReadonlySet<string> = new Set([
  'symbol',
  'trySymbol',
  'hasSymbol',
  'global',
  'perCpu',
  'perCpuAddress',
  'field',
  'firstField',
  'tryField',
  'object',
  'sizeOf',
  'enumerator',
  'lineAt',
  'addModuleTypes',
]);
/** Of these the arguments are addresses, of which there are too many to tell. */
const WITHOUT_ARGUMENTS: ReadonlySet<string> = new Set(['perCpuAddress', 'lineAt']);
const MEMORY: ReadonlySet<string> = new Set(['readBytes', 'readU8', 'readU16', 'readU32', 'readU64', 'readPointer']);

export function recorder(program: Program): Recorder {
  const counts = new Map<string, number>();
  const note = (text: string): void => void counts.set(text, (counts.get(text) ?? 0) + 1);
  const memory = watched(program.memory, (name) => {
    if (MEMORY.has(name)) note(`program.memory.${name}(...)`);
  });
  const watchedProgram = watched(
    program,
    (name, args) => {
      if (TOLD.has(name))
        note(`program.${name}(${WITHOUT_ARGUMENTS.has(name) ? '...' : args.map(argument).join(', ')})`);
    },
    { memory },
  );
  return {
    program: watchedProgram,
    note,
    calls: () => Array.from(counts, ([text, times]) => ({ text, times })),
  };
}

/** The same object, whose methods are told of before they run; they see the object itself, with its private parts. */
function watched<T extends object>(
  target: T,
  tell: (name: string, args: readonly unknown[]) => void,
  replaced: Partial<T> = {},
): T {
  return new Proxy(target, {
    get(_, name) {
      if (typeof name === 'string' && name in replaced) return Reflect.get(replaced, name);
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function' || typeof name !== 'string') return value;
      return (...args: unknown[]): unknown => {
        tell(name, args);
        return Reflect.apply(value, target, args);
      };
    },
  });
}

function argument(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'bigint' || typeof value === 'number') return '...';
  return Array.isArray(value) ? `[${value.map(argument).join(', ')}]` : '...';
}
