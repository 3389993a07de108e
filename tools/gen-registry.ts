/**
 * Writes the two registries from file names: diagnosis/detectors/registry.gen.ts and commands/registry.gen.ts.
 *
 * One plugin is one file with its test beside it, so nobody edits a list and parallel branches cannot conflict in one.
 * Fails when a plugin has no test, or when the id or name written in the file is not the file's name.
 * The generated files are ignored by git; `prepare`, `prebuild`, `pretest` and `pretypes` make them.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One kind of plugin: where its files are, which field repeats the file name, how the registry is written. */
export interface PluginKind {
  /** Folder below the repository, with `/` separators. */
  readonly folder: string;
  /** The field of the define call that must equal the file name: `id` for detectors, `name` for commands. */
  readonly field: 'id' | 'name';
  /** Makes the text of registry.gen.ts from the sorted names. */
  readonly write: (names: readonly string[]) => string;
}

const header = '// Made by tools/gen-registry.ts from the file names in this folder. Do not edit.\n';

/** Makes the identifier `hungTask` from the file name `hung-task`. */
export function identifier(name: string): string {
  const camel = name.replace(/[^A-Za-z0-9]+(.)?/g, (_, next: string | undefined) => (next ?? '').toUpperCase());
  return `${/^[A-Za-z]/.test(camel) ? '' : '_'}${camel}Plugin`;
}

/** The registry of the detectors: all loaded at once, as a diagnosis asks every one of them. */
export function writeDetectors(names: readonly string[]): string {
  const imports = names.map((name) => `import ${identifier(name)} from './${name}.ts';\n`).join('');
  const list = names.map((name) => `  ${identifier(name)},\n`).join('');
  return `${header}${imports}\nexport const detectors = [\n${list}] as const;\n`;
}

/** The registry of the commands: loaders only, as one run asks for one command. */
export function writeCommands(names: readonly string[]): string {
  const list = names.map((name) => `  '${name}': () => import('./${name}.ts'),\n`).join('');
  return `${header}export const commands = {\n${list}} as const;\n`;
}

export const kinds: readonly PluginKind[] = [
  { folder: 'src/diagnosis/detectors', field: 'id', write: writeDetectors },
  { folder: 'src/commands', field: 'name', write: writeCommands },
];

/** The plugin names among the file names of a folder, sorted by code unit. */
export function pluginNames(files: readonly string[]): string[] {
  return files
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.endsWith('.gen.ts'))
    .map((file) => file.slice(0, -'.ts'.length))
    .sort();
}

/** What is wrong with one plugin's file, one sentence each; empty when nothing is. */
export function pluginProblems(name: string, source: string, hasTest: boolean, field: 'id' | 'name'): string[] {
  const problems: string[] = [];
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) problems.push(`the file name '${name}' is not kebab-case`);
  if (!hasTest) problems.push(`its test ${name}.test.ts is missing`);
  if (!/^export default\b/m.test(source)) problems.push('it has no default export');
  // The first such field of the file is the plugin's own: nested objects come later.
  const found = new RegExp(`^\\s*${field}: (['"\`])(.*?)\\1`, 'm').exec(source);
  if (found === null) problems.push(`it has no line ${field}: '${name}'`);
  else if (found[2] !== name) problems.push(`its ${field} is '${found[2]}', not the file name '${name}'`);
  return problems;
}

/**
 * Checks and writes one registry.
 *
 * @returns the problems found; the registry is written only when there are none.
 */
export function generate(root: string, kind: PluginKind): string[] {
  const folder = join(root, kind.folder);
  const files = existsSync(folder) ? readdirSync(folder) : [];
  const names = pluginNames(files);
  const problems = names.flatMap((name) => {
    const source = readFileSync(join(folder, `${name}.ts`), 'utf8');
    return pluginProblems(name, source, files.includes(`${name}.test.ts`), kind.field).map(
      (problem) => `${kind.folder}/${name}.ts: ${problem}`,
    );
  });
  if (problems.length > 0) return problems;
  mkdirSync(folder, { recursive: true });
  const target = join(folder, 'registry.gen.ts');
  const text = kind.write(names);
  // Left alone when equal, so that watchers and incremental builds see no change.
  if (!existsSync(target) || readFileSync(target, 'utf8') !== text) writeFileSync(target, text);
  return [];
}

if (import.meta.main) {
  const problems = kinds.flatMap((kind) => generate(join(import.meta.dirname, '..'), kind));
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
