/**
 * V8's .cpuprofile (Chrome DevTools Protocol, Profiler.Profile): samples of the call tree. Here each sample becomes a
 * stack of frames, innermost first, that know which source file they come from: the bundle names them in comments.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Frame {
  readonly name: string;
  /** `src/...` for our code, `node:...` for Node's, '' for V8's own. */
  readonly file: string;
}

export interface Sample {
  /** Innermost first. */
  readonly stack: readonly Frame[];
  /** Milliseconds until the next sample. */
  readonly time: number;
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

/** For each line of a bundled file, the source that it was made of. */
function sourcesOf(bundled: string): readonly string[] {
  let source = '';
  return readFileSync(bundled, 'utf8')
    .split('\n')
    .map((line) => (source = /^\/\/ ((?:src|node_modules)\/\S+)$/.exec(line)?.[1] ?? source));
}

/** @param path - a file that `node --cpu-prof` wrote */
export function readProfile(path: string): readonly Sample[] {
  const profile = JSON.parse(readFileSync(path, 'utf8')) as Profile;
  const sources = new Map<string, readonly string[]>();
  const frameOf = ({ functionName, url, lineNumber }: ProfileNode['callFrame']): Frame => {
    if (!url.startsWith('file:')) return { name: functionName, file: url };
    let lines = sources.get(url);
    if (lines === undefined) sources.set(url, (lines = sourcesOf(fileURLToPath(url))));
    return { name: functionName, file: lines[lineNumber] ?? '' };
  };
  const stacks = new Map<number, readonly Frame[]>();
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const visit = (id: number, outer: readonly Frame[]): void => {
    const node = nodes.get(id);
    if (node === undefined) return;
    const stack = [frameOf(node.callFrame), ...outer];
    stacks.set(id, stack);
    for (const child of node.children ?? []) visit(child, stack);
  };
  const [top] = profile.nodes;
  if (top !== undefined) visit(top.id, []);
  return profile.samples.map((id, i) => ({
    stack: stacks.get(id) ?? [],
    time: (profile.timeDeltas[i + 1] ?? 0) / 1000,
  }));
}
