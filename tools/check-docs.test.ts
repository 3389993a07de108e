import { describe, expect, it } from 'vitest';
import { problemsOf, programNames } from './check-docs.ts';

const imports = "import type { KernelObject as Obj, Program } from '../program/object.ts';\n";
const throwing =
  '/**\n * Walks a list.\n * @param head - `struct list_head *`\n * @throws FaultError when memory is missing\n */\n';
const plain = '/** The name of a state, `unsigned int __state` of a task. */\n';

describe('problemsOf', () => {
  it.each([
    `${imports}${throwing}export function* listEntries(head: Obj): Iterable<Obj> {}\n`,
    `${imports}${plain}export function stateName(state: number): string {}\n`,
    `${imports}${throwing}export const first = (head: Obj): Obj => head;\n`,
    `${imports}export const limit = 12;\nfunction helper(p: Program) {}\nexport interface X { a: Program }\n`,
    `${imports}${throwing}export function a(p: Program): void;\nexport function a(p: Obj): void;\n`,
    '/** Converts a `gfp_t`. */\nexport async function flags(text = `\nexport function inText() {}\n`): string {}\n',
  ])('accepts %s', (source) => {
    expect(problemsOf('k.ts', source)).toEqual([]);
  });

  it.each([
    ['export function f() {}\n', 'k.ts:1: f has no docstring'],
    ['/* plain */\nexport function f() {}\n', 'k.ts:2: f has no docstring'],
    ['/** `int` */\nconst a = 1;\nexport function f() {}\n', 'k.ts:3: f has no docstring'],
    ['/** `int` */\nconst a = 1;\n/* x */\nexport function f() {}\n', 'k.ts:4: f has no docstring'],
    ['/** Walks a `list`. */\nexport function f() {}\n', 'k.ts:2: f has a docstring that names no C type in backticks'],
    [
      `${imports}${plain}export function f(\n  text: string,\n  on: (p: Program) => void,\n) {}\n`,
      'k.ts:3: f can read memory but its docstring has no @throws line',
    ],
    [
      `${imports}${plain}export const f = (of: Obj): string => '';\n`,
      'k.ts:3: f can read memory but its docstring has no @throws line',
    ],
  ])('refuses %s', (source, problem) => {
    expect(problemsOf('k.ts', source)).toEqual([problem]);
  });
});

describe('programNames', () => {
  it('takes local names, over several lines, from program/ only', () => {
    const source =
      "import {\n  type A,\n  B as C,\n} from '../../program/x.ts';\nimport D from '../program/d.ts';\nimport { E } from '../base/e.ts';\n";
    expect(programNames(source)).toEqual(['A', 'C', 'D']);
  });
});
