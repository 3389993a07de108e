/** Who else has a file open: those who could end a wait for it. */
import type { VirtAddr } from '../base/address.ts';
import type { OpenEnd, OpenEnds } from './open-ends.ts';
import type { Awaited, FoundWait } from './wait-kinds.ts';

/** The descriptors of all tasks, read when they are first asked for. */
export type EndsOfAll = () => OpenEnds;

const LONGEST_NAME = 100;

/** What a search for the other end adds to a wait. */
export type FoundEnd = Pick<FoundWait, 'awaited' | 'anyOf' | 'detail' | 'hopeless' | 'object' | 'edge'>;

/**
 * Those who have one of these files open, without the sleeper itself.
 * @param self - `struct task_struct *` of the sleeper
 * @param why - 'it has the other end of the socket open'
 */
export function others(
  files: readonly OpenEnd[],
  self: VirtAddr,
  { whole }: Pick<OpenEnds, 'whole'>,
  why: string,
): FoundEnd & { readonly awaited: readonly Awaited[] } {
  const tasks = new Set(files.flatMap(({ tasks: each }) => each));
  tasks.delete(self);
  const sure = whole && files.every(({ complete }) => complete === true);
  const certainty = sure ? 'exact' : 'inferred';
  const which = tasks.size === 1 && sure ? `${why}, and nobody else has` : why;
  return { awaited: [...tasks].map((task): Awaited => ({ task, certainty, why: which })), anyOf: tasks.size > 1 };
}

/**
 * A name out of the dump in the middle of words of our own: as it is where it cannot be mistaken for these, else quoted and cut.
 * @param name - a path of a `struct file`, a name of a `struct unix_sock`
 * @throws nothing
 */
export function quotedName(name: string): string {
  const short = name.length <= LONGEST_NAME ? name : `${name.slice(0, LONGEST_NAME)}...`;
  return /^[^\s'"(),;]+$/.test(short) ? short : `'${short.replaceAll("'", String.raw`\x27`)}'`;
}

/** The same `struct task_struct`s, of which it is only likely that they will act. @throws nothing */
export function perhaps(found: FoundEnd): FoundEnd {
  const { awaited = [] } = found;
  return { ...found, awaited: awaited.map((each): Awaited => ({ ...each, certainty: 'inferred' })) };
}
