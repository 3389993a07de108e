/**
 * What the recordings tell of memory by process and by cgroup: /proc/PID/smaps_rollup, and memory.* of each cgroup.
 */
import type { Answer, Answers } from '../answers.ts';
import { range, rising } from './answers.ts';
import type { Recording } from './recording.ts';

type Both = readonly [string | undefined, string | undefined];

/** 'Name:  value kB' and 'name value' lines. */
function fields(text: string | undefined): ReadonlyMap<string, string> {
  return new Map(
    (text ?? '').split('\n').flatMap((line) => {
      const [, name, value] = /^([^: ]+):?\s+(\S+)(?: kB)?$/.exec(line) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value] as const];
    }),
  );
}

/** A part of a figure, and at least 8 KiB: what the recording itself maps meanwhile. */
const PART = 0.01;
const LEAST_KB = 8;
/** MEMCG_CHARGE_BATCH: what a CPU charges or counts at once, in pages. */
const BATCH = 64;
const PAGE = 4096;

/** @param cpus - online: each has a batch of its own */
export function memoryAnswers(recording: Recording, cpus: number, answers: Answers): void {
  const both = (path: string): Both => [recording.first.get(path), recording.second.get(path)];
  for (const path of recording.second.keys()) {
    const [, pid] = /^(\d+)\/smaps_rollup$/.exec(path) ?? [];
    if (pid !== undefined) sayProcess(pid, both(path), answers);
    const [, group, file] = /^\/sys\/fs\/cgroup(.*)\/memory\.([a-z.]+)$/.exec(path) ?? [];
    if (group !== undefined && file !== undefined)
      sayGroup(group === '' ? '/' : group, file, both(path), BATCH * cpus * PAGE, answers);
  }
}

function sayProcess(pid: string, texts: Both, answers: Answers): void {
  const [first, second] = texts.map(fields);
  const sum = (of: ReadonlyMap<string, string> | undefined, names: readonly string[]): string | undefined => {
    const values = names.map((name) => of?.get(name));
    return values.includes(undefined) ? undefined : String(values.reduce((so, value) => so + Number(value), 0));
  };
  const say = (name: string, ...names: readonly string[]): void => {
    const last = sum(second, names);
    const slack = Math.max(LEAST_KB, Number(last ?? 0) * PART);
    answers.say('resident', `${pid}.${name}`, range(sum(first, names), last, slack));
  };
  say('rss', 'Rss');
  say('pss', 'Pss');
  say('uss', 'Private_Clean', 'Private_Dirty');
  say('swap', 'Swap');
}

/** Limits that an administrator sets: text that stays. */
const LIMITS: readonly string[] = ['max', 'high', 'swap.max'];

function sayGroup(group: string, file: string, texts: Both, batch: number, answers: Answers): void {
  const say = (name: string, answer: Answer | undefined): void =>
    answers.say('memory cgroups', `${group} ${name}`, answer);
  const [first, second] = texts.map((text) => text?.trim());
  if (LIMITS.includes(file)) say(file, first === second ? second : undefined);
  else if (file === 'current' || file === 'swap.current') say(file, moving(first, second, batch));
  else if (file === 'peak') say(file, rising(first, second));
  else if (file === 'stat' || file === 'events') {
    const [before, after] = texts.map(fields);
    for (const [name, value] of after ?? []) {
      const was = before?.get(name);
      const answer =
        file === 'events' ? rising(was, value) : moving(was, value, name.startsWith('workingset') ? BATCH : batch);
      say(`${file}.${name}`, answer);
    }
  }
}

/** What may change by as much as it did, or by what the CPUs have not passed on. */
function moving(first: string | undefined, second: string | undefined, batch: number): Answer | undefined {
  if (first === undefined || second === undefined) return undefined;
  const moved = Math.max(Math.abs(Number(second) - Number(first)), batch);
  return {
    low: Math.min(Number(first), Number(second)) - moved,
    high: Math.max(Number(first), Number(second)) + moved,
    text: `${first}, then ${second}`,
  };
}
