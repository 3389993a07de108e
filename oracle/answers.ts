/**
 * Answers to the questions of the suite. A question has a group ('tasks') and a key ('0xffff888003a40000.utime'); an
 * answer is text, the same text whoever gives it: addresses as `0x` and 16 digits, numbers in decimal.
 * A recording of a moving value answers with the range that it may have reached.
 */

/** What somebody answered that measured a moving value: any number within agrees. */
export interface Range {
  readonly low: number;
  readonly high: number;
  /** How it came about, for people: '12, then 14'. */
  readonly text: string;
}

export type Answer = string | Range;

/** What cannot be read: a fault, an excluded page. */
export const UNREADABLE = 'unreadable';

/** Answers by group and key. */
export class Answers {
  readonly groups = new Map<string, Map<string, Answer>>();

  /** Records an answer. One that is undefined is not recorded: there is nothing to compare. */
  say(group: string, key: string, answer: Answer | number | bigint | boolean | undefined): void {
    if (answer === undefined) return;
    this.group(group).set(key, textOf(answer));
  }

  group(name: string): Map<string, Answer> {
    let group = this.groups.get(name);
    if (group === undefined) this.groups.set(name, (group = new Map<string, Answer>()));
    return group;
  }

  get(group: string, key: string): Answer | undefined {
    return this.groups.get(group)?.get(key);
  }
}

function textOf(answer: Answer | number | bigint | boolean): Answer {
  if (typeof answer === 'boolean') return answer ? 'yes' : 'no';
  return typeof answer === 'number' || typeof answer === 'bigint' ? String(answer) : answer;
}

/** For people. */
export function show(answer: Answer | undefined): string {
  if (answer === undefined) return 'nothing';
  return typeof answer === 'string' ? answer : `${answer.low} to ${answer.high} (${answer.text})`;
}

/** Answers as JSON has them: group -> key -> text. @throws Error when it is anything else */
export function answersOf(value: unknown): Answers {
  const answers = new Answers();
  for (const [group, entries] of Object.entries(value ?? {})) {
    if (typeof entries !== 'object' || entries === null) throw new Error(`the answers about ${group} are no object`);
    for (const [key, answer] of Object.entries(entries as Readonly<Record<string, unknown>>)) {
      if (typeof answer !== 'string') throw new Error(`${group}, ${key}: the answer is no text`);
      answers.say(group, key, answer);
    }
  }
  return answers;
}
