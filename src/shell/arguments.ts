/**
 * The words behind a command's name become options and arguments, in the way of crash (getopt): one-letter options in
 * bundles (`-Tm`), repeated (`-FF`), values joined or apart (`-C0-1`, `-C 0-1`), anywhere on the line; options of more
 * letters or digits (`-32`, `-i=shared`) stand alone; `--` ends the options. What a command takes is its own list.
 */
import { UsageError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import type { Command, CommandArguments, CommandOption } from '../model/command.ts';

/** A word as it was typed, and without its quotes. */
export interface Word {
  readonly text: string;
  readonly raw: string;
}

/** Words of a command that is called and not typed. */
export function wordsOf(texts: readonly string[]): Word[] {
  return texts.map((text) => ({ text, raw: text }));
}

/** How the command is called: 'ps [-k] [-G] [-y policy] [pid | task | command] ...'. */
export function usageOf(command: Command): string {
  const plain = command.options.filter(({ value, flag }) => value === undefined && flag.length === 1);
  const others = command.options.filter((option) => !plain.includes(option));
  const parts = [command.name];
  if (plain.length > 0) parts.push(`[-${plain.map(({ flag }) => flag).join('')}]`);
  for (const option of others) parts.push(`[${optionText(option)}]`);
  for (const { name, optional, repeated } of command.arguments) {
    parts.push(optional === true ? `[${name}]` : name);
    if (repeated === true) parts.push('...');
  }
  return parts.join(' ');
}

/** '-C cpus', '-i[=shared]', '-32'. */
export function optionText({ flag, value, optionalValue }: CommandOption): string {
  if (value === undefined) return `-${flag}`;
  return optionalValue === true ? `-${flag}[=${value}]` : `-${flag} ${value}`;
}

class Parsed implements CommandArguments {
  readonly #given: ReadonlyMap<string, readonly string[]>;
  readonly positionals: readonly string[];
  readonly raws: readonly string[];
  readonly text: string;

  constructor(given: ReadonlyMap<string, readonly string[]>, rest: readonly Word[]) {
    this.#given = given;
    this.positionals = rest.map(({ text }) => text);
    this.raws = rest.map(({ raw }) => raw);
    this.text = this.raws.join(' ');
  }

  count(flag: string): number {
    return this.#given.get(flag)?.length ?? 0;
  }

  has(flag: string): boolean {
    return this.#given.has(flag);
  }

  value(flag: string): string | undefined {
    return this.#given.get(flag)?.at(-1);
  }
}

/** @throws UsageError that names the option, and the nearest one that there is */
export function parseCommandArguments(command: Command, words: readonly Word[]): CommandArguments {
  const byFlag = new Map(command.options.map((option) => [option.flag, option]));
  const given = new Map<string, string[]>();
  const rest: Word[] = [];
  const note = (flag: string, value: string): void => {
    given.set(flag, [...(given.get(flag) ?? []), value]);
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === undefined) break;
    const isOption = word.raw === word.text && /^-./.test(word.text);
    if (word.text === '--' && isOption) {
      rest.push(...words.slice(i + 1));
      break;
    }
    if (!isOption || (/^-\d/.test(word.text) && !byFlag.has(word.text.slice(1)))) {
      if (command.optionsFirst === true) {
        rest.push(...words.slice(i));
        break;
      }
      rest.push(word);
      continue;
    }
    const next = words[i + 1];
    if (readOption(command, byFlag, word.text.slice(1), next, note)) i++;
  }
  return new Parsed(given, rest);
}

/** @returns whether the next word was taken as a value */
function readOption(
  command: Command,
  byFlag: ReadonlyMap<string, CommandOption>,
  body: string,
  next: Word | undefined,
  note: (flag: string, value: string) => void,
): boolean {
  const [head = '', ...tail] = body.split('=');
  const alone = byFlag.get(head);
  if (alone !== undefined && tail.length > 0 && alone.value !== undefined) {
    note(head, tail.join('='));
    return false;
  }
  if (alone !== undefined && tail.length === 0 && (head.length > 1 || alone.value !== undefined)) {
    if (alone.value === undefined || alone.optionalValue === true) note(head, '');
    else if (next === undefined) throw new UsageError(`${command.name}: -${head} needs ${alone.value}`);
    else note(head, next.text);
    return alone.value !== undefined && alone.optionalValue !== true;
  }
  for (let i = 0; i < body.length; i++) {
    const flag = body.charAt(i);
    const option = byFlag.get(flag);
    if (option === undefined) throw unknownOption(command, body, flag);
    if (option.value === undefined || option.optionalValue === true) {
      note(flag, '');
      continue;
    }
    const joined = body.slice(i + 1);
    if (joined !== '') note(flag, joined);
    else if (next === undefined) throw new UsageError(`${command.name}: -${flag} needs ${option.value}`);
    else note(flag, next.text);
    return joined === '';
  }
  return false;
}

function unknownOption(command: Command, body: string, flag: string): UsageError {
  const known = command.options.map((option) => option.flag);
  // Of single letters only the other case is near; of words whatever looks alike.
  const guess =
    known.find((each) => each.toLowerCase() === flag.toLowerCase()) ??
    (body.length > 1
      ? nearest(
          body,
          known.filter((each) => each.length > 1),
        )
      : undefined);
  const hint = guess === undefined ? `; usage: ${usageOf(command)}` : `; did you mean -${guess}?`;
  return new UsageError(
    `${command.name}: unknown option -${body.length > 1 && guess?.length !== 1 ? body : flag}${hint}`,
  );
}

/**
 * The CPUs of a list such as `0,2-4` or `a` for all.
 * @param all - those that there are
 * @throws UsageError when it is no such list, or names a CPU that there is not
 */
export function parseCpus(text: string, all: readonly number[]): readonly number[] {
  if (text === 'a' || text === 'all') return all;
  const chosen = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    if (match?.[1] === undefined) throw new UsageError(`'${text}' is no list of CPUs: such as 0, 0,2-4 or a`);
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    const known = all.filter((cpu) => cpu >= first && cpu <= last);
    if (known.length === 0) throw new UsageError(`there is no CPU ${part.trim()}; there are ${rangesOf(all)}`);
    for (const cpu of known) chosen.add(cpu);
  }
  return all.filter((cpu) => chosen.has(cpu));
}

/** 0-3,6. */
export function rangesOf(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length; i++) {
    const first = numbers[i];
    while ((numbers[i + 1] ?? Number.NaN) === (numbers[i] ?? Number.NaN) + 1) i++;
    parts.push(first === numbers[i] ? `${first}` : `${first}-${numbers[i]}`);
  }
  return parts.join(',');
}

/**
 * A number as crash takes it: decimal, hex with `0x`, and bare hex where only that can be meant (a digit a-f).
 * @returns undefined when it is none
 */
export function parseNumber(text: string): bigint | undefined {
  if (/^-?\d{1,20}$/.test(text)) return BigInt(text);
  const hex = /^(-?)(?:0x)?([0-9a-f]{1,16})h?$/i.exec(text);
  if (hex?.[2] === undefined) return undefined;
  const value = BigInt(`0x${hex[2]}`);
  return hex[1] === '-' ? -value : value;
}

/** @throws UsageError that names the argument when it is no number from `least` to `most` */
export function parseCount(text: string, what: string, least = 1, most = Number.MAX_SAFE_INTEGER): number {
  const value = parseNumber(text);
  if (value === undefined || value < BigInt(least) || value > BigInt(most))
    throw new UsageError(
      `${what} '${text}': must be a number from ${least}${most === Number.MAX_SAFE_INTEGER ? ' up' : ` to ${most}`}`,
    );
  return Number(value);
}
