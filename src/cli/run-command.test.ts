import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fakeIo, runWith } from '../../test/builders/cli.ts';
import { SAMPLE } from '../../test/builders/sample.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { startupFiles } from './startup-files.ts';

const run = (...argv: string[]) => runWith(['run', '--no-rc', ...argv]);

test('commands in order, the dump anywhere', async () => {
  for (const argv of [
    ['-c', 'ps -S', SAMPLE, '-c', 'sys -t'],
    [SAMPLE, '-c', 'ps -S', '--command=sys -t'],
  ]) {
    expect(await run(...argv)).toEqual({
      status: 0,
      out: '  RU: 3\n  IN: 71\n  ID: 38\n  UN: 51\nTAINTED_MASK: 0\n',
      err: '',
    });
  }
});

test('lines from files, standard input, and files in files', async () => {
  const folder = tempFolder();
  writeFileSync(folder('inner'), 'sys -t\n');
  writeFileSync(folder('outer'), `# comment\n\n< ${folder('inner')}\nexit\nps\n`);
  expect(await run(SAMPLE, '-i', folder('outer'))).toEqual({ status: 0, out: 'TAINTED_MASK: 0\n', err: '' });
  const piped = fakeIo({ readInput: () => Promise.resolve('sys -t\nsys -t\n') });
  expect((await runWith(['run', '--no-rc', SAMPLE], piped)).out).toBe('TAINTED_MASK: 0\n'.repeat(2));
  writeFileSync(folder('pids'), '96\n101 -H\n');
  expect((await run(SAMPLE, '-c', `ps -H < ${folder('pids')}`)).out.trim().split('\n')).toHaveLength(2);
  writeFileSync(folder('endless'), `< ${folder('endless')}\n`);
  expect(await run(SAMPLE, '-i', folder('endless'))).toHaveProperty('err', expect.stringContaining('nested too deep'));
});

test('a time limit that passes: what was answered by then, status 1, and no more', async () => {
  let asked = 0;
  // The clock stands still until the first command is through.
  const io = fakeIo({ now: () => (++asked > 300 ? 60_000 : 0) });
  const { status, out, err } = await runWith(
    [
      'run',
      '--no-rc',
      SAMPLE,
      '--timeout',
      '5',
      '--json',
      ...Array.from({ length: 400 }, () => ['-c', 'ps -S']).flat(),
    ],
    io,
  );
  const { complete, commands } = JSON.parse(out) as { complete: boolean; commands: unknown[] };
  expect([status, complete, err]).toEqual([
    1,
    false,
    'kwhy: incomplete: the time limit passed; what comes after it was not run\n',
  ]);
  expect(commands.length).toBeGreaterThan(0);
  expect(commands.length).toBeLessThan(400);
});

test('a time limit that passes while the dump is opened: status 3, one line', async () => {
  let asked = 0;
  const io = fakeIo({ now: () => (++asked > 3 ? 60_000 : 0) });
  const { status, out, err } = await runWith(['run', '--no-rc', SAMPLE, '--time-limit', '5', '-c', 'ps'], io);
  expect([status, out, err]).toEqual([3, '', `kwhy: ${SAMPLE}: time limit reached\n`]);
});

test('pipes, files, aliases with pipes', async () => {
  const folder = tempFolder();
  const file = folder('out');
  expect((await run(SAMPLE, '-c', 'ps -H | grep -c "UN"')).out).toBe('51\n');
  await run(SAMPLE, '-c', `sys -t > ${file}`, '-c', `sys -t >> '${file}'`);
  expect(readFileSync(file, 'utf8')).toBe('TAINTED_MASK: 0\n'.repeat(2));
  expect((await run(SAMPLE, '-c', '!echo from the shell')).out).toBe('from the shell\n');
  expect(await run(SAMPLE, '-c', 'log | head -1')).toMatchObject({ status: 0, err: '' });
  expect(await run(SAMPLE, '-c', `sys > ${folder('.')}`)).toHaveProperty(
    'err',
    expect.stringContaining('cannot be written'),
  );
});

test('the worst of all answers is the status; each says what was wrong', async () => {
  const { status, out, err } = await run(SAMPLE, '-c', 'ps 9999', '-c', 'ps -a 96', '-c', 'pss', '-c', 'sys -t');
  expect(status).toBe(5);
  expect(out).toMatch(/TAINTED_MASK: 0\n$/);
  expect(err.split('\n')).toEqual([
    'kwhy: no task has the pid 9999',
    expect.stringMatching(/^kwhy: incomplete: arguments of pid 96: .*excluded$/),
    "kwhy: pss: no command, symbol or type 'pss'; did you mean ps?",
    '',
  ]);
  expect((await run(SAMPLE, '-c', 'ps -a 96')).status).toBe(1);
});

test('what is wrong with the dump as a whole is said once, and counts for each answer', async () => {
  const path = tempFolder()('cut.vmcore');
  const bytes = readFileSync(SAMPLE);
  writeFileSync(path, bytes.subarray(0, Math.floor(bytes.length * 0.9)));
  const { status, err } = await run(path, '-c', 'rd -p 1000000', '-c', 'help', '-c', 'sys -t');
  expect([1, 5]).toContain(status);
  const lines = err.split('\n').filter((line) => line !== '');
  expect(lines.length).toBeGreaterThan(0);
  expect(new Set(lines).size).toBe(lines.length);
});

test('--json is one document', async () => {
  const { status, out } = await run(SAMPLE, '--json', '-c', 'ps -S', '-c', 'ps -a 96', '-c', 'nosuch', '-c', 'ps | wc');
  expect(status).toBe(5);
  expect(JSON.parse(out)).toMatchObject({
    schema: 'kwhy-run',
    complete: false,
    commands: [
      {
        command: 'ps -S',
        complete: true,
        problems: [],
        failures: [],
        result: { rows: [{ state: 'RU', tasks: 3 }, {}, {}, {}] },
      },
      { command: 'ps -a 96', complete: false, problems: [expect.stringContaining('excluded')] },
      { command: 'nosuch', complete: false, result: null },
      { command: 'ps | wc', failures: ['ps | wc: with --json output goes nowhere else'] },
    ],
  });
});

test.each([
  [['run'], 2, 'which dump?'],
  [['run', 'x'], 2, 'which commands?'],
  [['run', '-z', 'x'], 2, 'unknown option -z'],
  [['run', '/nonexistent', '-c', 'ps'], 3, '/nonexistent'],
])('%j: status %d', async (argv, status, message) => {
  const outcome = await runWith(argv);
  expect([outcome.status, outcome.out]).toEqual([status, '']);
  expect(outcome.err).toMatch(/^kwhy: [^\n]+\n$/);
  expect(outcome.err).toContain(message);
});

test('--help', async () => {
  expect((await runWith(['run', '--help'])).out).toContain('usage: kwhy run VMCORE');
});

test('a .kwhyrc of the home may do all, one of the current folder only commands', () => {
  const inHome = tempFolder();
  const home = inHome('.');
  const here = inHome('dumps');
  mkdirSync(here);
  expect(startupFiles({ HOME: home }, here)).toEqual([]);
  writeFileSync(inHome('.kwhyrc'), '');
  writeFileSync(join(here, '.kwhyrc'), '');
  expect(startupFiles({ HOME: home }, here)).toEqual([
    { path: join(home, '.kwhyrc'), trust: 'full' },
    { path: join(here, '.kwhyrc'), trust: 'commands-only' },
  ]);
  expect(startupFiles({ HOME: home }, home)).toHaveLength(1);
});
