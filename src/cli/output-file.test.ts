import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { expect, test } from 'vitest';
import { fakeIo, fakeSink, runWith } from '../../test/builders/cli.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';

/** A folder with a dump in it. */
function withDump(): (name: string) => string {
  const inFolder = tempFolder();
  writeFileSync(inFolder('vmcore'), 'the dump');
  return inFolder;
}

test('-o writes the file, and nothing else is left', async () => {
  const inFolder = withDump();
  const result = await runWith([inFolder('vmcore'), '-o', inFolder('report.json'), '--json']);
  expect(result).toEqual({ status: 0, out: '', err: '' });
  expect(JSON.parse(readFileSync(inFolder('report.json'), 'utf8'))).toMatchObject({ schema: 'kwhy-report' });
  expect(readdirSync(inFolder('.')).sort()).toEqual(['report.json', 'vmcore']);
});

test('an older file is replaced, with its mode; a link stays a link', async () => {
  const inFolder = withDump();
  writeFileSync(inFolder('old'), 'old', { mode: 0o600 });
  symlinkSync('old', inFolder('link'));
  expect((await runWith([inFolder('vmcore'), '-o', inFolder('link')])).status).toBe(0);
  expect(lstatSync(inFolder('link')).isSymbolicLink()).toBe(true);
  expect(readFileSync(inFolder('old'), 'utf8')).toMatch(/^ps \(pid 96\)/);
  expect(statSync(inFolder('old')).mode & 0o777).toBe(0o600);
});

test('the dump is never overwritten, under none of its names', async () => {
  const inFolder = withDump();
  linkSync(inFolder('vmcore'), inFolder('hard'));
  symlinkSync('vmcore', inFolder('soft'));
  for (const name of ['vmcore', 'hard', 'soft', './x/../vmcore']) {
    mkdirSync(inFolder('x'), { recursive: true });
    const result = await runWith([inFolder('vmcore'), '-o', `${inFolder('.')}/${name}`]);
    expect(result.status).toBe(2);
    expect(result.err).toContain('this is the dump itself');
  }
  expect(readFileSync(inFolder('vmcore'), 'utf8')).toBe('the dump');
});

test('a directory is refused, and a file that cannot be made is one line', async () => {
  const inFolder = withDump();
  expect((await runWith([inFolder('vmcore'), '-o', inFolder('.')])).status).toBe(2);
  const result = await runWith([inFolder('vmcore'), '-o', inFolder('no/such/folder')]);
  expect(result.status).toBe(3);
  expect(result.err).toMatch(/^kwhy: [^\n]+: cannot be written: no such file or directory\n$/);
});

test('a device stays a device', async () => {
  const inFolder = withDump();
  expect((await runWith([inFolder('vmcore'), '-o', '/dev/null'])).status).toBe(0);
  expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
});

test('-o - is stdout; a file gets no colour', async () => {
  const inFolder = withDump();
  expect((await runWith([inFolder('vmcore'), '-o', '-'])).out).toMatch(/^ps \(pid 96\)/);
  await runWith(
    [inFolder('vmcore'), '-o', inFolder('text')],
    fakeIo({ stdout: fakeSink({ isTTY: true, columns: 80 }) }),
  );
  expect(readFileSync(inFolder('text'), 'utf8')).not.toContain('\u001b');
});
