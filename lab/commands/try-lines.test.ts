import { expect, test } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { ValidationError } from '../../src/base/errors.ts';
import { virt } from '../../src/base/address.ts';
import { type Command, defineCommand } from '../../src/model/command.ts';
import type { Shape } from '../../src/model/shape.ts';
import { tryLines } from './try-lines.ts';

const command = (name: string, run: () => Shape): Command =>
  defineCommand({ name, summary: '', options: [], arguments: [], examples: [{ line: name, what: '' }], run });
const text = (lines: Iterable<string>): Shape => ({ shape: 'lines', lines, data: () => [] });

function* bug(): Generator<string> {
  yield 'one';
  throw new RangeError('planted');
}

const COMMANDS: readonly Command[] = [
  command('good', () => text(['fine', '\u001b[31m'])),
  command('early', () => {
    throw new TypeError('planted');
  }),
  command('late', () => text(bug())),
  command('damaged', () => {
    throw new ValidationError('struct x', virt(0n), 'is damaged');
  }),
  command('endless', () => {
    for (;;);
  }),
  // What cannot be said in JSON: the types do not forbid it everywhere.
  command('huge', () => ({ shape: 'lines', lines: [], data: () => 1n as unknown as number })),
];

test('finds what must not happen, and nothing else', async () => {
  let opened = 0;
  const program = programOfImage(new KernelImage());
  const open = () => {
    opened++;
    return program;
  };
  const tried = await tryLines(['good', 'early', 'late', 'damaged', 'endless', 'huge', 'nosuch'], {
    open,
    commands: COMMANDS,
    limit: 1000,
  });
  expect(tried.findings.map(({ kind, line }) => `${kind} ${line}`)).toEqual([
    'internal early',
    'internal early (--json)',
    'internal late',
    'hang endless',
    'hang endless (--json)',
    'internal huge (--json)',
  ]);
  expect(tried).toMatchObject({ lines: 7, complete: 2, partial: 0, failed: 2 });
  // Opened at first, and after each line that was ended.
  expect(opened).toBe(3);
});
