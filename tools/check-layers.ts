/**
 * Checks who imports whom: every import of every file in src/ must be on the allowlist below.
 *
 * Also checked: detectors and commands never import one another, test builders are for tests only, relative imports name
 * a `.ts` file, no module name is computed, and no module keeps a mutable variable at its top level.
 * Prints `file:line: what is wrong` and exits with 1. Not checked: test/, tools/, bench/, lab/, and generated files.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { findImports, maskLiterals } from './imports.ts';

/** What a layer may import besides itself; `types` with `import type` only. */
interface Allowed {
  readonly values: readonly Layer[];
  readonly types?: readonly Layer[];
}

const layers = [
  'base',
  'dump',
  'debuginfo',
  'model',
  'program',
  'kernel',
  'slim',
  'check',
  'diagnosis/facts',
  'diagnosis/detectors',
  'diagnosis/detectors/registry',
  'diagnosis/engine',
  'shell',
  'commands',
  'commands/registry',
  'render',
  'cli',
  'library',
] as const;

export type Layer = (typeof layers)[number];

/** The allowlist; ARCHITECTURE.md shows the same as a picture. A change here is a change of the design. */
export const allowlist: Readonly<Record<Layer, Allowed>> = {
  base: { values: [] },
  dump: { values: ['base'] },
  debuginfo: { values: ['base'] },
  model: { values: ['base'], types: ['program'] },
  program: { values: ['base', 'dump', 'debuginfo'] },
  kernel: { values: ['base', 'program'] },
  check: { values: ['base', 'model', 'dump', 'program', 'kernel'] },
  slim: { values: ['base', 'dump', 'program', 'kernel'] },
  'diagnosis/facts': { values: ['base', 'model', 'program', 'kernel'] },
  'diagnosis/detectors': { values: ['base', 'model', 'kernel', 'diagnosis/facts'] },
  'diagnosis/detectors/registry': { values: ['diagnosis/detectors'] },
  'diagnosis/engine': {
    values: ['base', 'model', 'diagnosis/facts', 'diagnosis/detectors/registry'],
    types: ['program'],
  },
  shell: { values: ['base', 'model', 'program', 'kernel', 'diagnosis/facts'], types: ['debuginfo'] },
  commands: { values: ['base', 'model', 'program', 'kernel', 'diagnosis/facts', 'shell'], types: ['debuginfo'] },
  'commands/registry': { values: ['commands'] },
  render: { values: ['base', 'model'] },
  cli: { values: layers },
  library: { values: layers },
};

/** Layers whose files are plugins, each of which stands alone. */
const plugins: readonly Layer[] = ['diagnosis/detectors', 'commands'];

/** The layer of a file in the repository (`src/...`, with `/`), or undefined when it is in none. */
export function layerOf(path: string): Layer | undefined {
  if (path === 'src/index.ts' || path === 'src/index.test.ts' || path === 'src/plugin.ts') return 'library';
  const registry = /^src\/(diagnosis\/detectors|commands)\/registry\.gen\.ts$/.exec(path);
  if (registry !== null) return layers.find((layer) => layer === `${registry[1]}/registry`);
  const [top, first, second, third] = path.split('/');
  if (top !== 'src' || second === undefined) return undefined;
  if (first !== 'diagnosis') return layers.find((layer) => layer === first);
  if (third !== undefined && (second === 'facts' || second === 'detectors')) return `diagnosis/${second}`;
  return 'diagnosis/engine';
}

/** All layers that a layer reaches through the allowlist, itself included: what its tests may use. */
export function reachable(from: Layer): ReadonlySet<Layer> {
  const seen = new Set<Layer>([from]);
  // A Set's iteration also visits what is added on the way.
  for (const layer of seen) {
    for (const next of [...allowlist[layer].values, ...(allowlist[layer].types ?? [])]) seen.add(next);
  }
  return seen;
}

/** The file name without `.test.ts` or `.ts`. */
function stem(path: string): string {
  return path.replace(/(\.test)?\.ts$/, '');
}

/** True for x.test.ts of x.ts, and for x.part.test.ts where one file of tests would be too long. */
function isTestOf(test: string, file: string): boolean {
  return stem(test) === stem(file) || stem(test).startsWith(`${stem(file)}.`);
}

/** Why a file must not import another of the repository, or undefined when it may. */
export function objection(from: string, to: string, typeOnly: boolean): string | undefined {
  const isTest = from.endsWith('.test.ts');
  const own = layerOf(from);
  if (own === undefined) return 'the file is in no layer';
  if (to.startsWith('test/')) return isTest ? undefined : 'only tests may import test/';
  if (to === 'package.json') return own === 'cli' || own === 'library' ? undefined : 'only cli may import package.json';
  if (!to.endsWith('.ts')) return 'a relative import names a .ts file';
  if (to.endsWith('.test.ts')) return 'a test is not to be imported';
  const other = layerOf(to);
  if (other === undefined) return 'it is in no layer';
  if (other === own) {
    if (!plugins.includes(own) || (isTest && isTestOf(from, to))) return undefined;
    return `one file of ${own} never imports another: what they share belongs into a lower layer`;
  }
  if (isTest) {
    // Tests build dumps, so they may also use the layers that read them.
    if (reachable(own).has(other) || other === 'dump' || other === 'debuginfo') return undefined;
    return `a test of ${own} may import what is at or below ${own}, dump and debuginfo, not ${other}`;
  }
  const { values, types = [] } = allowlist[own];
  if (values.includes(other)) return undefined;
  if (types.includes(other)) return typeOnly ? undefined : `${own} may import ${other} only with import type`;
  const may = [...values, ...types.map((layer) => `types of ${layer}`)].join(', ') || 'no other layer';
  return `${own} may not import ${other}; it may import ${may}`;
}

/** What is wrong in one file, as `path:line: problem`. */
export function problemsOf(path: string, source: string): string[] {
  const problems: string[] = [];
  for (const { specifier, typeOnly, line } of findImports(source)) {
    if (specifier === undefined) {
      problems.push(`${path}:${line}: the module's name is computed, so nobody can check it`);
      continue;
    }
    if (!specifier.startsWith('.')) continue;
    const target = posix.join(posix.dirname(path), specifier);
    const why = objection(path, target, typeOnly);
    if (why !== undefined) problems.push(`${path}:${line}: imports ${specifier}: ${why}`);
  }
  // The formatter indents everything that is not at the top level.
  maskLiterals(source)
    .split('\n')
    .forEach((text, index) => {
      if (/^(?:export\s+)?(?:let|var)\s/.test(text)) {
        problems.push(`${path}:${index + 1}: a mutable variable at the top level is shared by all open dumps`);
      }
    });
  return problems;
}

/** The `.ts` files below a folder that people wrote, as paths relative to the repository, sorted. */
export function sourceFiles(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.gen.ts'))
    .sort();
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  const files = sourceFiles(root, 'src');
  const problems = files.flatMap((path) => problemsOf(path, readFileSync(join(root, path), 'utf8')));
  for (const problem of problems) console.error(problem);
  console.log(`layers: ${files.length} files, ${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
}
