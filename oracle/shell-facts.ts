/**
 * Two answers to one line of the shell, both in the shape of `--json`, as questions and answers: what the oracle's shape
 * has is asked of ours, leaf by leaf. Rows of a list are told apart by what names them, not by their place.
 */
import { Answers } from './answers.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** What names a row, the first that it has. */
const NAMES = [
  'task',
  'vma',
  'fd',
  'file',
  'timer',
  'base',
  'mount',
  'action',
  'irq',
  'cache',
  'area',
  'module',
  'device',
  'gendisk',
  'resource',
  'socket',
  'head',
  'hstate',
  'info',
  'number',
  'vector',
  'limit',
  'address',
  'state',
  'name',
  'cpu',
] as const;

const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);
const isRecord = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !isList(value);

/** A task is named by its address. */
function named(value: Json | undefined): string | undefined {
  if (isRecord(value)) return named(value['task']);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

/** Rows by their names; a name that comes again gets a number. */
function byName(rows: readonly Json[], key: string | undefined): ReadonlyMap<string, Json> {
  const out = new Map<string, Json>();
  for (const [index, row] of rows.entries()) {
    const name = (key !== undefined && isRecord(row) ? named(row[key]) : undefined) ?? String(index);
    let unique = name;
    for (let n = 2; out.has(unique); n++) unique = `${name} (${n})`;
    out.set(unique, row);
  }
  return out;
}

/** What a shape of `--json` holds, without what says how it is laid out. */
export function contentOf(result: Json | undefined): Json | undefined {
  if (!isRecord(result)) return result;
  if (isList(result['items'])) return result['items'].map((item) => contentOf(item) ?? null);
  return result['rows'] ?? result['data'] ?? result['values'];
}

/** Both sides' answers to what the oracle says of one line. */
export function factsOf(
  line: string,
  theirs: Json,
  ours: Json | undefined,
): { readonly theirs: Answers; readonly ours: Answers } {
  const sides = { theirs: new Answers(), ours: new Answers() };
  const ask = (path: string, theirs: Json, ours: Json | undefined): void => {
    if (isList(theirs)) {
      const rows = isList(ours) ? ours : undefined;
      sides.theirs.say(line, `${path} rows`, theirs.length);
      sides.ours.say(line, `${path} rows`, rows?.length);
      const first = theirs[0];
      const key = isRecord(first) ? NAMES.find((name) => named(first[name]) !== undefined) : undefined;
      const own = byName(rows ?? [], key);
      for (const [name, row] of byName(theirs, key)) ask(`${path}.${name}`, row, own.get(name));
      return;
    }
    if (isRecord(theirs)) {
      for (const [key, value] of Object.entries(theirs))
        ask(`${path}.${key}`, value, isRecord(ours) ? ours[key] : undefined);
      return;
    }
    sides.theirs.say(line, path, String(theirs));
    sides.ours.say(line, path, ours === undefined || typeof ours === 'object' ? JSON.stringify(ours) : String(ours));
  };
  ask('', theirs, ours);
  return sides;
}
