import { describe, expect, it } from 'vitest';
import { findImports, maskLiterals } from './imports.ts';

/** The imports of a source as short text: `line type? name`. */
function shown(source: string): string[] {
  return findImports(source).map(
    ({ line, typeOnly, specifier }) => `${line}${typeOnly ? ' type' : ''} ${specifier ?? '(computed)'}`,
  );
}

describe('findImports', () => {
  it('finds every form of import and re-export, with its line', () => {
    const source = [
      "import one from './one.ts';",
      'import * as two from "./two.ts";',
      "import three, { type T, u as v } from './three.ts';",
      "import './four.ts';",
      "import type { Five } from './five.ts';",
      "import type Six from './six.ts';",
      "export * from './seven.ts';",
      "export * as eight from './eight.ts';",
      "export { nine, type Nine } from './nine.ts';",
      "export type { Ten } from './ten.ts';",
      "export type * from './eleven.ts';",
      "const twelve = await import('./twelve.ts');",
      "import data from './data.json' with { type: 'json' };",
    ].join('\n');
    expect(shown(source)).toEqual([
      '1 ./one.ts',
      '2 ./two.ts',
      '3 ./three.ts',
      '4 ./four.ts',
      '5 type ./five.ts',
      '6 type ./six.ts',
      '7 ./seven.ts',
      '8 ./eight.ts',
      '9 ./nine.ts',
      '10 type ./ten.ts',
      '11 type ./eleven.ts',
      '12 ./twelve.ts',
      '13 ./data.json',
    ]);
  });

  it('finds an import over several lines and reports its first line', () => {
    expect(shown("\nimport {\n  a,\n  // why b\n  b,\n} from './x.ts';\n")).toEqual(['2 ./x.ts']);
  });

  it('takes inline type imports as imports, as the module is still loaded', () => {
    expect(shown("import { type A } from './x.ts';")).toEqual(['1 ./x.ts']);
  });

  it('takes a value named type for a value', () => {
    expect(shown("import type from './x.ts';\nimport { type } from './y.ts';")).toEqual(['1 ./x.ts', '2 ./y.ts']);
  });

  it('is not taken in by comments, strings, templates and regular expressions', () => {
    const source = [
      "// import a from './comment.ts';",
      "/* import b from './block.ts'; */",
      'const c = "import d from \'./string.ts\'";',
      "const e = `import f from './template.ts'`;",
      "const g = /import h from '.\\/regex.ts'/;",
      "const i = x / 2; import('./after-division.ts'); y / 3;",
      "const j = /[/'\"]/; import('./after-class.ts');",
      "const url = 'http://example'; import('./after-slashes.ts');",
    ].join('\n');
    expect(shown(source)).toEqual(['6 ./after-division.ts', '7 ./after-class.ts', '8 ./after-slashes.ts']);
  });

  it('looks into the holes of templates, nested ones too', () => {
    const source =
      "const a = `x ${await import('./hole.ts')} ${`y ${{ z: import('./inner.ts') }} '`} '`; import './end.ts';";
    expect(shown(source)).toEqual(['1 ./hole.ts', '1 ./inner.ts', '1 ./end.ts']);
  });

  it('tells computed module names', () => {
    expect(shown('await import(name);\nawait import(`./${name}.ts`);')).toEqual(['1 (computed)', '2 (computed)']);
  });

  it('leaves members and keys named import or export alone', () => {
    expect(shown("a.import('./x.ts'); const b = { import: './y.ts', export: './z.ts' }; import.meta.dirname;")).toEqual(
      [],
    );
  });
});

describe('maskLiterals', () => {
  it.each([
    'const a = "x\\"y"; // z\n/* w\n */ `p ${q} r` /s/u',
    "'unfinished\nnext",
    '`unfinished ${a',
    '/* unfinished',
    "'\\",
    '"',
  ])('keeps length and lines of %j', (source) => {
    const masked = maskLiterals(source);
    expect(masked).toHaveLength(source.length);
    const lengths = (text: string): number[] => text.split('\n').map((line) => line.length);
    expect(lengths(masked)).toEqual(lengths(source));
  });
});
