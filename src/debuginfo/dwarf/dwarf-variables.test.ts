/** Real code of a compiler (fuzz/bases/dwarf.c): where its variables are follows from the source and the ABI. */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ElfImage } from '../elf-image.ts';
import { ImageFile } from '../image-file.ts';
import { DwarfLines } from './dwarf-lines.ts';
import { DwarfTypes } from './dwarf-types.ts';
import { DwarfVariables } from './dwarf-variables.ts';
import { locate, type Surroundings } from './expression.ts';

/** `nm dwarf-5.elf`. */
const WORK = 0xffffffff81000020n;
const SLOW = 0xffffffff81000000n;

const nowhere: Surroundings = {
  register: () => undefined,
  cfa: undefined,
  frameBase: () => undefined,
  read: () => undefined,
  slide: 0n,
  indexed: () => 0n,
};

function open(version: number): DwarfVariables {
  const file = new ImageFile(join(import.meta.dirname, `../../../fuzz/bases/dwarf-${version}.elf`));
  onTestFinished(() => {
    file.close();
  });
  const types = new DwarfTypes(new ElfImage(file, 'dwarf'));
  return new DwarfVariables(types, new DwarfLines(types.info));
}

it.each([2, 3, 4, 5])('parameters lie where the ABI puts them, and have their types (DWARF %i)', (version) => {
  const [work] = open(version).at(WORK)?.functions ?? [];
  expect(work?.func).toBe('work');
  expect(work?.variables.map(({ name, parameter }) => [name, parameter])).toEqual([
    ['node', true],
    ['other', true],
    ['count', true],
    ['sum', false],
  ]);
  // %rdi, %rsi, %rdx in DWARF's numbers.
  const places = work?.variables.slice(0, 3).map(({ expression }) => locate(expression ?? new Uint8Array(0), nowhere));
  expect(places).toEqual([5, 4, 1].map((number) => ({ kind: 'register', number })));
  expect(work?.variables.map((variable) => variable.type().kind)).toEqual(['pointer', 'typedef', 'typedef', 'int']);
});

it.each([2, 3, 4, 5])('a parameter that moves is looked for where it is at that instruction (DWARF %i)', (version) => {
  // As `readelf --debug-dump=loc` prints the list of `node`: up to the end of work().
  const variables = open(version);
  const registerAt = (offset: bigint): unknown => {
    const node = variables
      .at(WORK + offset)
      ?.functions.at(-1)
      ?.variables.find(({ name }) => name === 'node');
    return node?.expression === undefined ? undefined : locate(node.expression, nowhere);
  };
  const inRegister = (number: number): unknown => ({ kind: 'register', number });
  expect([0n, 0x1fn, 0x20n, 0xban, 0xbbn, 0xc1n, 0xc2n, 0xc3n].map(registerAt)).toEqual(
    [5, 5, 8, 8, 5, 5, 8, 8].map(inRegister),
  );
});

it.each([2, 3, 4, 5])('functions that were inlined have their own (DWARF %i)', (version) => {
  const variables = open(version);
  const seen = new Set<string>();
  for (let at = WORK; at < WORK + 0xc4n; at++)
    for (const { func, variables: found } of variables.at(at)?.functions ?? [])
      seen.add(`${func}: ${found.map(({ name }) => name).join(' ')}`);
  expect([...seen].sort()).toEqual(
    expect.arrayContaining([
      'outer: x',
      'twice: x',
      'twice: x y',
      'work: node other count sum',
      'work: node other count sum i',
    ]),
  );
  expect(
    [...seen].filter((each) => !/^(?:outer: x|twice: x(?: y)?|work: node other count sum(?: i)?)$/.test(each)),
  ).toEqual([]);
});

it('the base of the frame is the canonical frame address', () => {
  const told = open(5).at(SLOW);
  expect(locate(told?.frameBase ?? new Uint8Array(0), { ...nowhere, cfa: 0x1230n })).toEqual({
    kind: 'memory',
    address: 0x1230n,
  });
});

it('code of nobody has none', () => {
  expect(open(5).at(0xffffffff80000000n)).toBeUndefined();
});
