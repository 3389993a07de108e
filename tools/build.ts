/**
 * Bundles the sources into dist/: dist/kwhy.js (the program) and dist/index.js (the library).
 *
 * One bundle starts about ten times faster than many type-stripped files, and Node strips no types inside node_modules.
 * It is split at dynamic imports, so that rare commands load only when asked for. Names are kept readable: a stack
 * trace in a bug report must say which function it was.
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';

const entries = [
  { out: 'kwhy', source: 'src/cli/main.ts' },
  { out: 'index', source: 'src/index.ts' },
] as const;

/** The options for esbuild; `sources` maps names in dist/ to entry files. */
export function buildOptions(root: string, sources: Record<string, string>): BuildOptions {
  return {
    absWorkingDir: root,
    entryPoints: sources,
    outdir: 'dist',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22.18',
    chunkNames: 'chunks/[name]-[hash]',
    keepNames: false,
    minify: false,
    sourcemap: false,
    legalComments: 'linked',
    logLevel: 'warning',
  };
}

async function main(root: string): Promise<void> {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  const present = entries.filter((entry) => existsSync(join(root, entry.source)));
  for (const entry of entries) {
    if (!present.includes(entry)) console.error(`build: ${entry.source} is missing, so dist/${entry.out}.js is not made`);
  }
  if (present.length === 0) return;
  await build(buildOptions(root, Object.fromEntries(present.map((entry) => [entry.out, entry.source]))));
}

if (import.meta.main) await main(join(import.meta.dirname, '..'));
