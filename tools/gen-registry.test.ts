import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  generate,
  identifier,
  type PluginKind,
  pluginProblems,
  writeCommands,
  writeDetectors,
} from './gen-registry.ts';

const detectors: PluginKind = { folder: 'src/diagnosis/detectors', field: 'id', write: writeDetectors };
const commands: PluginKind = { folder: 'src/commands', field: 'name', write: writeCommands };

describe('generate', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'gen-registry-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  function put(path: string, text: string): void {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const registry = (kind: PluginKind): string => readFileSync(join(root, kind.folder, 'registry.gen.ts'), 'utf8');

  it('lists the detectors, sorted, and leaves tests, READMEs and itself out', () => {
    for (const id of ['oom', 'hung-task']) {
      put(`${detectors.folder}/${id}.ts`, `export default defineDetector({\n  id: '${id}',\n});\n`);
      put(`${detectors.folder}/${id}.test.ts`, '');
    }
    put(`${detectors.folder}/README.md`, '');
    expect(generate(root, detectors)).toEqual([]);
    const text = registry(detectors);
    expect(text.slice(text.indexOf('\n') + 1)).toBe(
      "import hungTaskPlugin from './hung-task.ts';\nimport oomPlugin from './oom.ts';\n\n" +
        'export const detectors = [\n  hungTaskPlugin,\n  oomPlugin,\n] as const;\n',
    );
    expect(generate(root, detectors)).toEqual([]);
    expect(registry(detectors)).toBe(text);
  });

  it('lists the commands as loaders', () => {
    put(`${commands.folder}/bt.ts`, "export default defineCommand({\n  name: 'bt',\n  args: [{ name: 'pid' }],\n});\n");
    put(`${commands.folder}/bt.test.ts`, '');
    expect(generate(root, commands)).toEqual([]);
    expect(registry(commands)).toContain("export const commands = {\n  'bt': () => import('./bt.ts'),\n} as const;\n");
  });

  it('makes an empty registry where there are no plugins yet', () => {
    expect(generate(root, detectors)).toEqual([]);
    expect(registry(detectors)).toContain('export const detectors = [\n] as const;\n');
  });

  it('writes nothing when a plugin is wrong', () => {
    put(`${commands.folder}/bt.ts`, "export default defineCommand({\n  name: 'ps',\n});\n");
    expect(generate(root, commands)).toEqual([
      'src/commands/bt.ts: its test bt.test.ts is missing',
      "src/commands/bt.ts: its name is 'ps', not the file name 'bt'",
    ]);
    expect(() => statSync(join(root, commands.folder, 'registry.gen.ts'))).toThrow('ENOENT');
  });
});

describe('pluginProblems', () => {
  it.each([
    ['hung-task', "export default d({\n  id: 'hung-task',\n});", true, []],
    ['hung-task', 'export default d({\n  id: "hung-task",\n});', true, []],
    ['hung-task', "export default d({\n  title: 'x',\n});", true, ["it has no line id: 'hung-task'"]],
    ['hung-task', "const d = {\n  id: 'hung-task',\n};", true, ['it has no default export']],
    ['Hung', "export default d({\n  id: 'Hung',\n});", true, ["the file name 'Hung' is not kebab-case"]],
  ])('%s: %s', (name, source, hasTest, problems) => {
    expect(pluginProblems(name, source, hasTest, 'id')).toEqual(problems);
  });
});

describe('identifier', () => {
  it.each([
    ['oom', 'oomPlugin'],
    ['rcu-stall-2', 'rcuStall2Plugin'],
    ['delete', 'deletePlugin'],
    ['9p', '_9pPlugin'],
  ])('%s becomes %s', (name, expected) => {
    expect(identifier(name)).toBe(expected);
  });
});
