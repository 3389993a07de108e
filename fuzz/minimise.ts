/**
 * Makes a failing case small: first fewer changes (delta debugging), then shorter ones, then a simpler base. What counts as
 * the same failure, the caller says.
 */
import type { Case, Op } from './input.ts';

export interface MinimiseOptions {
  /** True when the case still fails in the same way. */
  readonly fails: (candidate: Case) => boolean;
  /** Tries at most; a hang costs its time each. */
  readonly tries: number;
}

export function minimise(failing: Case, { fails, tries }: MinimiseOptions): Case {
  let left = tries;
  const attempt = (ops: readonly Op[]): boolean => left-- > 0 && fails({ base: failing.base, ops });
  let ops = fewer(failing.ops, attempt);
  for (let changed = true; changed && left > 0; ) {
    changed = false;
    for (let i = 0; i < ops.length; i++) {
      for (const shorter of shorterOps(ops[i])) {
        const candidate = ops.with(i, shorter);
        if (!attempt(candidate)) continue;
        ops = candidate;
        changed = true;
        break;
      }
    }
  }
  return { base: failing.base, ops };
}

/** Zeller's ddmin: halves, then quarters ... are taken away as long as it still fails. */
function fewer(all: readonly Op[], fails: (ops: readonly Op[]) => boolean): readonly Op[] {
  let ops = all;
  for (let size = Math.ceil(ops.length / 2); size >= 1; ) {
    let removed = false;
    for (let at = 0; at < ops.length; ) {
      const rest = ops.toSpliced(at, size);
      if (rest.length < ops.length && fails(rest)) {
        ops = rest;
        removed = true;
      } else {
        at += size;
      }
    }
    if (size === 1 && !removed) break;
    size = removed ? Math.max(1, Math.min(size, Math.ceil(ops.length / 2))) : Math.floor(size / 2);
    if (ops.length === 0) break;
  }
  return ops;
}

function* shorterOps(op: Op | undefined): Generator<Op> {
  if (op === undefined) return;
  switch (op.op) {
    case 'set':
    case 'insert':
      if (op.bytes.length > 2) {
        const half = 2 * Math.floor(op.bytes.length / 4);
        yield { ...op, bytes: op.bytes.slice(0, half) };
        if (op.op === 'insert') yield { ...op, bytes: op.bytes.slice(half) };
      }
      break;
    case 'fill':
    case 'copy':
    case 'delete':
      if (op.length > 1) yield { ...op, length: op.length >> 1 };
      break;
    case 'flip':
    case 'cut':
      break;
  }
}
