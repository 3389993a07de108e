/**
 * Findings become tests: a file in regressions/ that runs the case again. For inputs that a builder made the bytes are kept,
 * as builders change; for the sample the changes are kept, as the sample does not.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { Executor } from './execute.ts';
import { Allocations } from './allocation.ts';
import { apply, type Case } from './input.ts';
import type { Finding } from './loop.ts';
import type { Outcome } from './outcome.ts';
import type { Target } from './target.ts';
import { findTarget } from './targets/index.ts';

export const FOLDER = join(import.meta.dirname, 'regressions');
/** Parts beyond this are not kept as bytes. */
const MAX_BYTES = 256 * 1024;

/** A case whose parts stand in it: deflated, base64. */
export interface KeptCase extends Case {
  readonly parts?: { readonly [name: string]: string };
}

/** Writes the test and returns its path. */
export function writeRegression(target: Target, finding: Finding, folder = FOLDER): string {
  const hash = createHash('sha256').update(`${target.name} ${finding.key}`).digest('hex').slice(0, 8);
  const path = join(folder, `${target.name}-${hash}.test.ts`);
  mkdirSync(folder, { recursive: true });
  if (existsSync(path)) return path;
  const kept = keep(target, finding.case);
  const title = JSON.stringify(finding.key.replace(/[^\x20-\x7e]/g, '?'));
  writeFileSync(
    path,
    `/** Found by \`npm run fuzz\`: see docs/fuzzing.md. */
import { expect, test } from 'vitest';
import { replay } from '../regression.ts';

test(${title}, () => {
  const { failure } = replay(${JSON.stringify(target.name)}, ${JSON.stringify(kept)});
  expect(failure?.message).toBeUndefined();
});
`,
  );
  return path;
}

function keep(target: Target, found: Case): KeptCase {
  const { parts } = target.base(found.base);
  const size = [...parts.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  if (!found.base.includes('#') || size > MAX_BYTES) return found;
  const changed = apply(parts, found.ops);
  const entries = [...parts.keys()].map((name) => [name, deflateRawSync(changed.get(name)).toString('base64')]);
  return { ...found, parts: Object.fromEntries(entries) as { [name: string]: string } };
}

/** Runs a case as the fuzzer would, but for the limits of allocation, which need a process of their own. */
export function replay(name: string, kept: KeptCase): Outcome {
  const target = findTarget(name);
  const { parts } = kept;
  if (parts === undefined) return new Executor(target, new Allocations()).run(kept);
  const bytes = new Map(Object.entries(parts).map(([part, text]) => [part, inflate(text)]));
  // Not pristine: what the builder builds today does not matter.
  const fixed: Target = {
    ...target,
    base: (base) => {
      const { run } = target.base(base);
      return { parts: bytes, fields: [], run: (given) => run(given, false) };
    },
  };
  return new Executor(fixed, new Allocations()).run({ base: kept.base, ops: [] }, false);
}

function inflate(text: string): Uint8Array {
  return Uint8Array.from(inflateRawSync(Buffer.from(text, 'base64'), { maxOutputLength: 2 ** 26 }));
}
