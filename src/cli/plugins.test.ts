/** Whole processes: a plugin is a module that Node itself loads, and the warning is for whoever starts one. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fakeIo } from '../../test/builders/cli.ts';
import { SAMPLE } from '../../test/builders/sample.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { loadPlugins } from './plugins.ts';

const ROOT = join(import.meta.dirname, '../..');
const PILES = 'examples/plugin-piles.ts';

function kwhy(...argv: readonly string[]) {
  const args = [join(ROOT, 'src/cli/main.ts'), ...argv];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  return { status, out: stdout, err: stderr };
}

describe('--plugin', () => {
  it('adds commands, and says that a plugin runs with the rights of its user', () => {
    const { status, out, err } = kwhy('run', SAMPLE, '--no-rc', '--plugin', PILES, '-c', 'piles 5', '-c', 'help piles');
    expect(status).toBe(0);
    expect(out).toContain('TASKS  COMMAND\n   50  top\n');
    expect(out).toContain('usage: piles [at least]');
    expect(err).toContain(`warning: ${PILES} is a program, and runs with your rights`);
  });

  it('adds detectors to the report', () => {
    const { out, err } = kwhy(SAMPLE, '--json', '--plugin', PILES);
    const report = JSON.parse(out) as { findings: readonly { detector: string; details: unknown }[] };
    expect(report.findings.find(({ detector }) => detector === 'job-piles')).toMatchObject({
      cause: 'job-piles-up',
      details: { comm: 'top', count: 50 },
    });
    expect(err).toContain('runs with your rights');
  });

  const cases: readonly (readonly [what: string, source: string, message: string])[] = [
    ['no version', 'export default {}', 'is no plugin: it must say `export const kwhyPlugin = 1`'],
    [
      'another version',
      'export const kwhyPlugin = 2',
      'was made for version 2 of plugins, and this kwhy takes version 1',
    ],
    ['no content', 'export const kwhyPlugin = 1', 'its default export is neither a command nor a detector'],
    [
      'half a command',
      "export const kwhyPlugin = 1; export default { name: 'mine', run() {}, options: [], summary: '' }",
      'its default export (mine) has no arguments, no examples',
    ],
    [
      'a name that there is',
      "export const kwhyPlugin = 1; export default { name: 'ps', run() {}, options: [], arguments: [], examples: [], summary: '' }",
      "there is a 'ps' already",
    ],
    ['an error of its own', "throw new Error('out of order')", 'out of order'],
  ];
  it.each(cases)('refuses %s', async (_, source, message) => {
    const path = tempFolder()('plugin.mjs');
    writeFileSync(path, source);
    await expect(loadPlugins([path], new Set(['ps']), fakeIo({}))).rejects.toThrow(`--plugin ${path}: ${message}`);
  });

  it('refuses a file that is not there', async () => {
    await expect(loadPlugins(['/nowhere/plugin.js'], new Set(), fakeIo({}))).rejects.toThrow(
      '--plugin /nowhere/plugin.js: no such file',
    );
  });

  it('gives a plugin anywhere the modules that run: their errors and facts', () => {
    const path = tempFolder()('plugin.ts');
    writeFileSync(
      path,
      `import { attempt, defineCommand, tasksFact } from 'kwhy';
       export const kwhyPlugin = 1;
       export default defineCommand({
         name: 'mine', summary: 'x', options: [], arguments: [], examples: [{ line: 'mine', what: 'x' }],
         run(context) {
           const lost: unknown = attempt(() => context.program.memory.readU8(context.program.symbol('nosuch').address));
           const text = \`\${context.use(tasksFact).tasks.length} \${String(lost)}\`;
           return { shape: 'lines', lines: [text], data: () => text };
         },
       });`,
    );
    expect(kwhy('run', SAMPLE, '--no-rc', '--plugin', path, '-c', 'mine').out).toBe('163 undefined\n');
  });
});
