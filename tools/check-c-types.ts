/**
 * Compares the types of hand-built images with those of a compiler: `npm run check:c-types`.
 *
 * Every header in test/ is compiled with `cc -gbtf` (GCC 12 and later), and what its BTF says of each struct, union, enum
 * and typedef is compared with what test/builders/c-types.ts makes of the same header: size, members, offsets, bits,
 * enumerators. Prints what differs and exits with 1; without such a compiler it says so and exits with 2. It is no part
 * of `npm test`, which needs no compiler.
 */
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Btf, parseBtf } from '../src/debuginfo/btf.ts';
import type { CType, NamedKind, TypeSource } from '../src/debuginfo/type.ts';
import { typeName } from '../src/program/types.ts';
import { declareC } from '../test/builders/c-types.ts';
import { TypeWords } from '../test/builders/types.ts';

/** What differs between two sources about the types of a list ('struct mutex'), one line each. */
export function differences(names: readonly string[], ours: TypeSource, theirs: TypeSource): readonly string[] {
  return names.flatMap((name) => {
    const [kind, tag] = name.split(' ') as [NamedKind, string];
    const mine = ours.find(kind, tag)[0];
    const other = theirs.find(kind, tag)[0];
    if (mine === undefined || other === undefined)
      return [`${name}: only ${mine === undefined ? 'the compiler' : 'we'} have it`];
    const [left, right] = [describe(mine), describe(other)];
    return left === right ? [] : [`${name}:\n  ours:   ${left}\n  theirs: ${right}`];
  });
}

/** A type in one line, with the bodies of structs that have no name; pointers by their names only. */
function describe(type: CType, isInside = false): string {
  switch (type.kind) {
    case 'const':
    case 'volatile':
    case 'restrict':
    case 'atomic':
    case 'tag':
      return describe(type.target, isInside);
    case 'typedef':
      return isInside ? type.name : `${type.name} = ${describe(type.target, true)}`;
    case 'array': {
      // In one number: GCC 12 writes the dimensions of an array of arrays the wrong way round.
      const inner = /^(.*)\[(\d+)\]$/.exec(describe(type.element, true));
      if (inner === null) return `${describe(type.element, true)}[${type.length}]`;
      return `${inner[1]}[${Number(inner[2]) * type.length}]`;
    }
    case 'pointer':
      return 'pointer';
    case 'enum':
      if (isInside && type.name !== undefined) return `enum ${type.name}`;
      // An enum without a name is an unsigned int to us.
      if (isInside) return 'unsigned int';
      return `${type.size} ${type.enumerators?.map(({ name, value }) => `${name}=${value}`).join(',')}`;
    case 'struct':
    case 'union': {
      if (isInside && type.name !== undefined) return `${type.kind} ${type.name}`;
      const members = type.members?.map(
        (member) => `${member.name ?? ''}@${member.bitOffset}:${member.bitSize ?? ''} ${describe(member.type, true)}`,
      );
      return `${type.kind} of ${type.size} {${members?.join('; ')}}`;
    }
    default:
      return typeName(type);
  }
}

/** @throws what the compiler says */
function compile(header: string): Btf {
  const folder = mkdtempSync(join(tmpdir(), 'c-types-'));
  try {
    const [object, section] = [join(folder, 'object'), join(folder, 'btf')];
    const all = '-fno-eliminate-unused-debug-types';
    execFileSync('cc', ['-gbtf', '-c', all, '-x', 'c', header, '-o', object], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    execFileSync('objcopy', [
      '-O',
      'binary',
      '--only-section=.BTF',
      '--set-section-flags',
      '.BTF=alloc',
      object,
      section,
    ]);
    return parseBtf(readFileSync(section));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function main(): void {
  try {
    execFileSync('cc', ['-gbtf', '-c', '-x', 'c', '/dev/null', '-o', '/dev/null'], { stdio: 'ignore' });
  } catch {
    console.error('nothing was compared: there is no cc that knows -gbtf (GCC 12 and later)');
    process.exitCode = 2;
    return;
  }
  const root = join(import.meta.dirname, '..');
  for (const path of globSync('test/**/*.h', { cwd: root }).sort()) {
    const ours = new TypeWords();
    const names = declareC(ours, readFileSync(join(root, path), 'utf8'));
    const found = differences(names, ours, compile(join(root, path)));
    if (found.length > 0) process.exitCode = 1;
    console.log(
      found.length > 0
        ? `${path}:\n${found.join('\n')}`
        : `${path}: ${names.length} types are as the compiler has them`,
    );
  }
}

if (import.meta.main) main();
