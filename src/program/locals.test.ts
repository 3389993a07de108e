/** Variables of real code (fuzz/bases/dwarf.c) in a frame whose registers and memory are made up. */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { virt } from '../base/address.ts';
import { FaultError } from '../base/errors.ts';
import type { Frame } from './arch/arch.ts';
import { openDebugFile } from './debug-file.ts';
import { frameLocals } from './locals.ts';

const SLIDE = 0x1c000000n;
/** `nm dwarf-5.elf`: work(node, other, count). */
const WORK = 0xffffffff81000020n;

function localsAt(pc: bigint, registers: ReadonlyMap<number, bigint>, exact = true) {
  const file = openDebugFile(join(import.meta.dirname, '../../fuzz/bases/dwarf-5.elf'));
  onTestFinished(() => {
    file.close();
  });
  const program = {
    variablesAt: (at: bigint) => {
      const told = file.variablesAt(at - SLIDE);
      return told === undefined ? undefined : { told, slide: SLIDE };
    },
    memory: {
      readBytes: (at: bigint): Uint8Array => {
        throw new FaultError('virtual', at, 'unmapped');
      },
    },
  };
  const frame: Frame = {
    pc: virt(pc + SLIDE),
    sp: virt(0xffffc90000001000n),
    cfa: virt(0xffffc90000001080n),
    exact,
    source: 'orc',
    registersAt: undefined,
    registers,
  };
  return frameLocals(program, frame);
}

it('parameters in registers have the values of these registers, the others none', () => {
  const [work] = localsAt(
    WORK,
    new Map([
      [5, 0xffff888001234560n],
      [1, 7n],
    ]),
  );
  const values = work?.locals.map(({ name, value }) => [name, value]);
  expect(values?.slice(0, 3)).toEqual([
    ['node', { bytes: Uint8Array.of(0x60, 0x45, 0x23, 0x01, 0x80, 0x88, 0xff, 0xff) }],
    // %rsi is not known.
    ['other', undefined],
    ['count', { bytes: Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0) }],
  ]);
});

it('of a return address, what holds at the call counts', () => {
  // `readelf --debug-dump=loc`: up to here node is in %rdi (5), from here on in %r8 (8).
  const moves = WORK + 0x20n;
  const registers = new Map([
    [5, 1n],
    [8, 2n],
  ]);
  const nodeOf = (exact: boolean): unknown =>
    localsAt(moves, registers, exact)
      .at(-1)
      ?.locals.find(({ name }) => name === 'node')?.value;
  expect(nodeOf(false)).toEqual({ bytes: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) });
  expect(nodeOf(true)).toEqual({ bytes: Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0) });
});

it('code of nobody has none', () => {
  expect(localsAt(0xffffffff80000000n, new Map())).toEqual([]);
});
