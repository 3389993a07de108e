/**
 * Values that keep their meaning until they are shown. Whoever finds something out says `address(...)` or
 * `duration(...)`; only `render/` decides how that looks as text, and JSON keeps the exact number.
 */
import type { VirtAddr } from '../base/address.ts';

export type Value =
  | { readonly kind: 'address'; readonly value: VirtAddr }
  | { readonly kind: 'count'; readonly value: number }
  | { readonly kind: 'bytes'; readonly value: number }
  /** A ratio: 0.6 is shown as 60 %. */
  | { readonly kind: 'ratio'; readonly value: number }
  | { readonly kind: 'duration'; readonly ns: bigint }
  /** Seconds since the epoch. */
  | { readonly kind: 'wall-clock'; readonly seconds: number }
  | { readonly kind: 'task'; readonly pid: number; readonly comm: string; readonly address: VirtAddr }
  /** Text that came out of the dump and may hold anything: names of files, tasks, cgroups, log lines. */
  | { readonly kind: 'name'; readonly value: string }
  | { readonly kind: 'symbol'; readonly value: string }
  | { readonly kind: 'ctype'; readonly value: string }
  /** Something that can be typed at a prompt. */
  | { readonly kind: 'command'; readonly value: string }
  /** Numbers one after the other, to be drawn as one word: how a crowd grew. */
  | { readonly kind: 'spark'; readonly counts: readonly number[] };

export const address = (value: VirtAddr): Value => ({ kind: 'address', value });
export const count = (value: number): Value => ({ kind: 'count', value });
export const byteCount = (value: number): Value => ({ kind: 'bytes', value });
export const ratio = (value: number): Value => ({ kind: 'ratio', value });
export const duration = (ns: bigint): Value => ({ kind: 'duration', ns });
export const wallClock = (seconds: number): Value => ({ kind: 'wall-clock', seconds });
export const name = (value: string): Value => ({ kind: 'name', value });
export const symbol = (value: string): Value => ({ kind: 'symbol', value });
export const ctype = (value: string): Value => ({ kind: 'ctype', value });
export const command = (value: string): Value => ({ kind: 'command', value });
export const spark = (counts: readonly number[]): Value => ({ kind: 'spark', counts });
export function task(ref: { readonly pid: number; readonly comm: string; readonly address: VirtAddr }): Value {
  return { kind: 'task', pid: ref.pid, comm: ref.comm, address: ref.address };
}

/** A sentence with values in it: our own words as plain strings, everything else as values. */
export type Prose = readonly (string | Value)[];

/** Template tag: prose`${task(t)} holds ${address(lock)}`; nested prose is spliced in. Undefined parts are left out. */
export function prose(
  strings: TemplateStringsArray,
  ...values: readonly (Value | Prose | string | undefined)[]
): Prose {
  const out: (string | Value)[] = [];
  strings.forEach((text, i) => {
    if (text !== '') out.push(text);
    const value = values[i];
    if (value === undefined || value === '') return;
    if (typeof value === 'string' || 'kind' in value) out.push(value);
    else out.push(...value);
  });
  return out;
}

/** 1 -> '1 task', 2 -> '2 tasks'. */
export function plural(n: number, one: string, many = `${one}s`): Prose {
  return [count(n), ` ${n === 1 ? one : many}`];
}

/** Structured detail for JSON: values, and lists and objects of them. Undefined members are left out. */
export type Data = Value | string | number | boolean | undefined | readonly Data[] | { readonly [key: string]: Data };
