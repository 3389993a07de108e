/** Judges what kwhy says of one task's wait by what the guest told of it. */
import type { ToldWait } from './manifest.ts';

interface SaidTask {
  readonly pid?: number;
}

/** One link of the chain that `why --json` gives. */
export interface SaidWait {
  readonly waitsFor?: {
    readonly ctype?: string;
    readonly address?: string;
    readonly text?: unknown;
    readonly owners?: readonly { readonly task: SaidTask; readonly certainty: string }[];
  };
  readonly wait?: {
    readonly kind: string;
    readonly edge?: string;
    readonly what?: unknown;
    readonly detail?: string;
    readonly proof: string;
    readonly object?: { readonly address: string; readonly ctype: string };
    readonly awaited?: readonly { readonly task: SaidTask; readonly certainty: string }[];
  };
}

/**
 * `right`: kind, object, and all who could end it, and nobody else; `partly`: some of that is missing; `unknown`: no more
 * than where it sleeps; `wrong`: another kind or object, or a task that could not end it.
 */
export interface JudgedWait {
  readonly verdict: 'right' | 'partly' | 'unknown' | 'wrong';
  readonly why: string;
  /** How kwhy came to it: its name for this way. */
  readonly edge?: string;
  readonly proof?: string;
  /** The surest that it names somebody. */
  readonly certainty?: string;
}

/** Kinds that say no more than that it sleeps on something. */
const VAGUE: ReadonlySet<string> = new Set(['unknown', 'wait-queue', 'completion']);

const textOf = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : Array.isArray(value)
      ? value.map(textOf).join('')
      : typeof value === 'object' && value !== null
        ? Object.values(value).map(textOf).join(' ')
        : typeof value === 'number'
          ? String(value)
          : '';

/**
 * @param said - undefined when kwhy says nothing about the task
 * @param told - by the guest
 */
export function judgeWait(said: SaidWait | undefined, told: ToldWait): JudgedWait {
  const { wait, waitsFor } = said ?? {};
  const kind = wait?.kind ?? (waitsFor === undefined ? 'unknown' : 'lock');
  const persons = wait?.awaited ?? waitsFor?.owners ?? [];
  const certainty = persons.some((one) => one.certainty === 'exact') ? 'exact' : persons[0]?.certainty;
  const base = {
    ...(wait?.edge === undefined ? {} : { edge: wait.edge }),
    ...(wait === undefined ? {} : { proof: wait.proof }),
    ...(certainty === undefined ? {} : { certainty }),
  };
  const stranger = persons.find(({ task }) => !told.for.includes(task.pid ?? -1));
  if (stranger !== undefined) return { verdict: 'wrong', why: `names pid ${stranger.task.pid ?? '?'}`, ...base };
  if (kind !== told.kind)
    return VAGUE.has(kind)
      ? { verdict: 'unknown', why: `says ${kind}`, ...base }
      : { verdict: 'wrong', why: `says ${kind}`, ...base };
  const object = wait?.object;
  if (told.address !== undefined && object !== undefined && object.address !== told.address)
    return { verdict: 'wrong', why: `names the ${object.ctype} at ${object.address}`, ...base };
  const missing: string[] = [];
  if (told.address !== undefined && object === undefined) missing.push('names no object');
  if (persons.length < told.for.length) missing.push(`names ${persons.length} of ${told.for.length} tasks`);
  const text = `${textOf(wait?.what)} ${wait?.detail ?? ''} ${textOf(waitsFor?.text)}`;
  if (!text.includes(told.says)) missing.push(`does not say ${told.says}`);
  return missing.length === 0
    ? { verdict: 'right', why: '', ...base }
    : { verdict: 'partly', why: missing.join('; '), ...base };
}
