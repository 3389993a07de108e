/**
 * Checks the docstrings of src/kernel/, the helpers that people write detectors and commands with.
 *
 * Every exported function says which C types it deals with, in backticks, as in `struct list_head *`. One that is given
 * something of program/ can read memory, so it also has a `@throws` line. Prints `file:line: what is wrong`, exits with 1.
 * Not checked: whether what a docstring says is true; the methods of classes.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sourceFiles } from './check-layers.ts';
import { maskLiterals } from './imports.ts';

const cType =
  /`[^`\n]*\b(?:(?:struct|union|enum) \w+|void|char|short|int|long|unsigned|bool|_Bool|(?:__)?[us](?:8|16|32|64)|__(?:le|be)(?:16|32|64)|\w+_t)\b[^`\n]*`/;

/** Names that a source imports from program/, whose values lead to the memory of the dump. */
export function programNames(source: string): string[] {
  const names: string[] = [];
  for (const [, clause = ''] of source.matchAll(/^import\s([^'"]*?)\sfrom\s+['"][^'"]*\/program\/[^'"]*['"]/gm)) {
    for (const part of clause.replace(/[{}]/g, ',').split(',')) {
      const name = /([\w$]+)\s*$/.exec(part)?.[1];
      if (name !== undefined) names.push(name);
    }
  }
  return names;
}

/** The docstring that ends where `index` begins, or undefined. */
function docstringBefore(source: string, index: number): string | undefined {
  const before = source.slice(0, index).trimEnd();
  const start = before.lastIndexOf('/**');
  if (!before.endsWith('*/') || start < 0) return undefined;
  const text = before.slice(start);
  return text.indexOf('*/') === text.length - 2 ? text : undefined;
}

/** The parameter list that opens at or after `index`, as text. */
function parameters(masked: string, index: number): string {
  const open = masked.indexOf('(', index);
  let depth = 0;
  for (let at = open; at >= 0 && at < masked.length; at += 1) {
    if (masked[at] === '(') depth += 1;
    if (masked[at] === ')') depth -= 1;
    if (depth === 0) return masked.slice(open, at + 1);
  }
  return '';
}

/** What is wrong with the docstrings of one file, as `path:line: problem`. */
export function problemsOf(path: string, source: string): string[] {
  const masked = maskLiterals(source);
  const memory = programNames(source);
  const problems: string[] = [];
  const documented = new Set<string>();
  const declaration =
    /^export (?:async )?(?:function\s*\*?\s*([\w$]+)|const ([\w$]+)(?=[^=\n]*= (?:async )?(?:function|<[^=]*>\(|\()))/gm;
  for (const match of masked.matchAll(declaration)) {
    const name = match[1] ?? match[2] ?? '';
    // The overloads of a function come one after the other, the docstring before the first.
    if (documented.has(name)) continue;
    documented.add(name);
    const problem = (what: string): void => {
      problems.push(`${path}:${masked.slice(0, match.index).split('\n').length}: ${name} ${what}`);
    };
    const text = docstringBefore(source, match.index);
    if (text === undefined) {
      problem('has no docstring');
      continue;
    }
    if (!cType.test(text)) problem('has a docstring that names no C type in backticks');
    const words: string[] = parameters(masked, match.index + match[0].length).match(/[\w$]+/g) ?? [];
    if (memory.some((type) => words.includes(type)) && !/@throws\b/.test(text)) {
      problem('can read memory but its docstring has no @throws line');
    }
  }
  return problems;
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  const folder = 'src/kernel';
  const files = existsSync(join(root, folder)) ? sourceFiles(root, folder) : [];
  const checked = files.filter((path) => !path.endsWith('.test.ts'));
  const problems = checked.flatMap((path) => problemsOf(path, readFileSync(join(root, path), 'utf8')));
  for (const problem of problems) console.error(problem);
  console.log(`docs: ${checked.length} files, ${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
}
