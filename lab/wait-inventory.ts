/** Which ways of understanding a wait (src/kernel/wait-edges.ts) the dumps of the lab have that a right report was made of. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SEEN_EDGES, type WaitEdge } from '../src/kernel/wait-edges.ts';
import { readTasks } from '../src/kernel/sched.ts';
import { cpuStates, taskStack } from '../src/kernel/stack.ts';
import { taskWait, waitSearch } from '../src/kernel/task-wait.ts';
import type { WaitKind } from '../src/kernel/wait-kinds.ts';
import { openProgram } from '../src/program/open.ts';
import { readManifest } from './make.ts';
import { dumpsRoot } from './paths.ts';
import type { Entry } from './scoreboard.ts';

/** Kernels by way; of what the functions on a stack alone say, by kind. */
export interface MetEdges {
  readonly edges: Readonly<Record<string, readonly string[]>>;
  readonly functions: Readonly<Record<string, readonly string[]>>;
}

/**
 * Looks at the first file of each dump that is on this machine.
 * @param before - what was met before, which stays
 */
export function metEdges(entries: readonly Entry[], before: MetEdges): MetEdges {
  const edges = new Map(Object.entries(before.edges).map(([edge, on]) => [edge, new Set(on)]));
  const functions = new Map(Object.entries(before.functions).map(([kind, on]) => [kind, new Set(on)]));
  const seen = new Set<string>();
  for (const { incident, kernel, variant, file, verdict } of entries) {
    const path = join(dumpsRoot, incident, kernel, String(variant), file);
    const name = `${incident} ${kernel} ${variant}`;
    if (verdict !== 'right' || seen.has(name) || !existsSync(path)) continue;
    // makedumpfile leaves out pages of 7.2 that are in use, but not at this level.
    if (kernel === 'sid' && !file.includes('level-1')) continue;
    seen.add(name);
    // What a guest told of each task is compared, not counted.
    if (readManifest(join(path, '..'))?.waits !== undefined) continue;
    for (const { edge, kind } of waitsOf(path)) {
      const [map, key] = edge === 'functions on the stack' ? [functions, kind] : [edges, edge];
      map.set(key, (map.get(key) ?? new Set()).add(kernelName(kernel)));
    }
  }
  const sorted = (map: ReadonlyMap<string, ReadonlySet<string>>): Record<string, readonly string[]> =>
    Object.fromEntries(
      [...map].sort(([a], [b]) => a.localeCompare(b, 'en')).map(([key, on]) => [key, [...on].sort(byNumber)]),
    );
  // Ways that are called otherwise by now are forgotten.
  for (const edge of edges.keys()) if (!(edge in SEEN_EDGES)) edges.delete(edge);
  return { edges: sorted(edges), functions: sorted(functions) };
}

/** Kernels as reports name them, by their names in the lab. */
export const kernelName = (kernel: string): string => (kernel === 'sid' ? '7.2' : kernel === 'rt' ? '6.1-rt' : kernel);

/** '6.1' before '6.12'. */
export const byNumber = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

function* waitsOf(path: string): Generator<{ readonly edge: WaitEdge; readonly kind: WaitKind }> {
  const program = openProgram(path);
  try {
    const { tasks } = readTasks(program);
    const search = waitSearch(program, tasks);
    const states = cpuStates(program);
    for (const task of tasks) {
      const wait = taskWait(search, task, taskStack(program, task, states).frames);
      if (wait !== undefined) yield wait;
    }
  } finally {
    program.close();
  }
}
