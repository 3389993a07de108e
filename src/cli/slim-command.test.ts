import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { fakeIo, runWith } from '../../test/builders/cli.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { CancelledError } from '../base/errors.ts';
import { temporaryName } from '../dump/new-file.ts';
import { loadCore } from './core.ts';
import type { Guard } from './guard.ts';

const SAMPLE = join(import.meta.dirname, '../../samples/hung-6.1.vmcore');

test.each([
  [['slim'], 'which dump? usage: kwhy slim VMCORE -o OUT'],
  [['slim', 'a'], 'where to? usage: kwhy slim VMCORE -o OUT'],
  [['slim', 'a', '', '-o', 'c'], 'which dump? usage: kwhy slim VMCORE -o OUT'],
  [['slim', 'a', '--zlb', '-o', 'c'], 'unknown option --zlb; did you mean --zlib?'],
])('%j is refused', async (argv, message) => {
  const { status, out, err } = await runWith(argv);
  expect([status, out]).toEqual([2, '']);
  expect(err).toBe(`kwhy: ${message} (see kwhy --help)\n`);
});

test('--help says what it is', async () => {
  const { status, out } = await runWith(['slim', '--help']);
  expect(status).toBe(0);
  expect(out).toContain('kwhy slim VMCORE -o OUT');
});

test('the dump itself and files that are there are not overwritten', async () => {
  const file = tempFolder();
  const taken = file('taken');
  writeFileSync(taken, 'precious');
  expect(await runWith(['slim', SAMPLE, '-o', SAMPLE, '--force'])).toMatchObject({ status: 2 });
  const { status, err } = await runWith(['slim', SAMPLE, '-o', taken]);
  expect(status).toBe(3);
  expect(err).toContain('taken');
  expect(readFileSync(taken, 'utf8')).toBe('precious');
});

test('what cannot be opened leaves nothing behind', async () => {
  const file = tempFolder();
  const text = file('text');
  writeFileSync(text, 'hello\n');
  expect(await runWith(['slim', text, '-o', file('out')])).toMatchObject({ status: 3, out: '' });
  expect(() => readFileSync(file('out'))).toThrow('ENOENT');
});

test('a time limit that passes, wherever the work stands, leaves nothing behind', async () => {
  for (const questions of [2, 60, 600]) {
    const folder = tempFolder();
    let asked = 0;
    const io = fakeIo({ now: () => (++asked > questions ? 2000 : 0) });
    const { status, out, err } = await runWith(['slim', SAMPLE, '-o', folder('out'), '--timeout', '1'], io);
    expect([status, out, err]).toEqual([3, '', 'kwhy: the time limit passed; nothing was written\n']);
    expect(readdirSync(dirname(folder('out')))).toEqual([]);
  }
});

test('Ctrl-C, which ends the work where it stands, leaves nothing behind', async () => {
  const out = tempFolder()('out');
  const guard: Guard = () => {
    writeFileSync(temporaryName(out), 'half of it');
    throw new CancelledError('interrupt');
  };
  expect(await runWith(['slim', SAMPLE, '-o', out], fakeIo({ guard }))).toEqual({
    status: 130,
    out: '',
    err: 'kwhy: interrupted; nothing was written\n',
  });
  expect(readdirSync(dirname(out))).toEqual([]);
});

test('a slim dump of the sample gives the report of the sample', async () => {
  const slim = tempFolder()('slim');
  const { status, out, err } = await runWith(['slim', SAMPLE, '-o', slim, '--zlib']);
  expect([status, err]).toEqual([0, '']);
  expect(out).toContain('What may remain in it');
  const core = await loadCore();
  const reports = [SAMPLE, slim].map(async (path) => (await runWith([path, '--json'], fakeIo({}, core))).out);
  const [before, after] = (await Promise.all(reports)).map((json) => JSON.parse(json) as { system: { dump: unknown } });
  expect(after?.system.dump).not.toEqual(before?.system.dump);
  const rest = (report: typeof before): unknown => ({ ...report, system: { ...report?.system, dump: undefined } });
  expect(rest(after)).toEqual(rest(before));
});
