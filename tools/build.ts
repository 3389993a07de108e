/**
 * Bundles the sources into dist/: dist/kwhy.js (which runs the program, dist/program.cjs) and dist/index.js (the library).
 *
 * One bundle starts about ten times faster than many type-stripped files, and Node strips no types inside node_modules.
 * Nothing is minified: a stack trace in a bug report must say which function it was. The program is run once on a sample,
 * and what V8 compiled of it is kept beside it (tools/code.ts). The licenses of the packages that went in are put there.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import { SCRIPT_PARAMETERS } from '../src/cli/script.ts';

const shebang = '#!/usr/bin/env node\n';

const entries = [
  { out: 'kwhy', source: 'src/cli/bundled.ts' },
  { out: 'index', source: 'src/index.ts' },
  { out: 'plugin', source: 'src/plugin.ts' },
] as const;

const sample = 'samples/hung-6.1.vmcore';

const common = {
  bundle: true,
  platform: 'node',
  target: 'node22.18',
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
} as const satisfies BuildOptions;

/** The options for esbuild; `sources` maps names in dist/ to entry files. */
export function buildOptions(root: string, sources: Record<string, string>): BuildOptions & { metafile: true } {
  return {
    ...common,
    absWorkingDir: root,
    entryPoints: sources,
    outdir: 'dist',
    splitting: true,
    format: 'esm',
    chunkNames: 'chunks/[name]-[hash]',
  };
}

/** The program as one script, its modules run when they are first asked for; `src/cli/script.ts` loads it. */
export function programOptions(root: string): BuildOptions & { metafile: true } {
  return {
    ...common,
    absWorkingDir: root,
    entryPoints: ['src/cli/start.ts'],
    outfile: 'dist/program.cjs',
    format: 'cjs',
    charset: 'ascii',
    define: { 'import.meta.url': SCRIPT_PARAMETERS[3] },
    banner: { js: `(function (${SCRIPT_PARAMETERS.join(', ')}) {` },
    footer: { js: '})' },
  };
}

/** Without it the program starts more slowly, so that what goes wrong is told and no more. */
function keepCode(root: string, dist: string): void {
  if (!existsSync(join(root, sample))) return;
  const script = join(import.meta.dirname, 'code.ts');
  const { status, stderr } = spawnSync(process.execPath, [script, dist, join(root, sample)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (status !== 0) console.error(`build: dist/program.code is not made: ${stderr}`);
}

/** The packages among the bundled files, as folders below node_modules/, sorted. */
export function bundledPackages(inputs: Iterable<string>): string[] {
  const found = new Set<string>();
  for (const path of inputs) {
    const name = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(path)?.[1];
    if (name !== undefined) found.add(name);
  }
  return [...found].sort();
}

/**
 * The licenses of the bundled packages as one text.
 *
 * @throws Error when the terms of a package are not known: then it must not be shipped.
 */
function licenses(root: string, names: readonly string[]): string {
  return names
    .map((name) => {
      const folder = join(root, 'node_modules', name);
      const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      const fields = new Map<string, unknown>(Object.entries(manifest ?? {}));
      const license = String(fields.get('license'));
      const file = readdirSync(folder).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
      const title = `${name} ${String(fields.get('version'))}: ${license}`;
      if (file !== undefined) return `${title}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
      // Some packages only name their license; kwhy comes with the text of this one.
      if (license === 'Apache-2.0') return `${title}, the text of which is in kwhy's own file LICENSE\n`;
      throw new Error(`${name} is bundled but comes without the text of its license (${license})`);
    })
    .join('\n\n');
}

async function main(root: string): Promise<void> {
  const dist = join(root, 'dist');
  const present = entries.filter((entry) => existsSync(join(root, entry.source)));
  for (const { out, source } of entries) {
    if (!present.some((entry) => entry.out === out)) {
      console.error(`build: ${source} is missing, so dist/${out}.js is not made`);
    }
  }
  rmSync(dist, { recursive: true, force: true });
  if (present.length === 0) return;
  const sources = Object.fromEntries(present.map(({ out, source }) => [out, source]));
  const { metafile } = await build(buildOptions(root, sources));

  const inputs = Object.keys(metafile.inputs);
  if (existsSync(join(root, 'src', 'cli', 'start.ts'))) {
    const program = await build(programOptions(root));
    inputs.push(...Object.keys(program.metafile.inputs));
    keepCode(root, dist);
  }

  const packages = bundledPackages(inputs);
  if (packages.length > 0) writeFileSync(join(dist, 'LICENSES.txt'), licenses(root, packages));
  const program = join(dist, 'kwhy.js');
  if (existsSync(program)) {
    const text = readFileSync(program, 'utf8');
    if (!text.startsWith('#!')) writeFileSync(program, shebang + text);
    chmodSync(program, 0o755);
  }
}

if (import.meta.main) {
  try {
    await main(join(import.meta.dirname, '..'));
  } catch (error) {
    // esbuild has printed its own errors, with file and line.
    console.error(`build: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
