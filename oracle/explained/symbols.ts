/**
 * Where symbols lie, for explanations that turn on two names of one place.
 */
import type { Answers } from '../answers.ts';

const known = new WeakMap<Answers, ReadonlyMap<string, readonly bigint[]>>();

/** Addresses of a symbol of the kernel in the linked image, from the answers to the questions about symbols. */
export function addressesOf(ours: Answers, name: string): readonly bigint[] {
  let byName = known.get(ours);
  if (byName === undefined) {
    const made = new Map<string, bigint[]>();
    for (const key of ours.group('symbols').keys()) {
      const at = key.lastIndexOf('@');
      const list = made.get(key.slice(0, at));
      if (list === undefined) made.set(key.slice(0, at), [BigInt(key.slice(at + 1))]);
      else list.push(BigInt(key.slice(at + 1)));
    }
    known.set(ours, (byName = made));
  }
  return byName.get(name) ?? [];
}

/** Both names are at one address. */
export function areAliases(ours: Answers, a: string, b: string): boolean {
  const of = addressesOf(ours, b);
  return addressesOf(ours, a).some((address) => of.includes(address));
}

/** `inner` lies less than a page behind `outer`: a label inside it. */
export function isInside(ours: Answers, inner: string, outer: string): boolean {
  const of = addressesOf(ours, outer);
  return addressesOf(ours, inner).some((address) => of.some((start) => address > start && address - start < 4096n));
}
