import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fakeCore, fakeIo, fakeSink, runWith } from '../../test/builders/cli.ts';
import { hostileName, partialReport, report, stuckHolder } from '../../test/builders/report.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { CancelledError, FormatError } from '../base/errors.ts';
import { openProgram } from '../program/open.ts';
import type { Core } from './report-run.ts';

/** Opens as the program does; there is no diagnosis, as nothing here can be opened. */
const opener: Core = {
  open(path) {
    openProgram(path);
    throw new Error('it was opened');
  },
};

/** A core that throws. */
const failing = (error: unknown): Core => ({
  open: () => {
    throw error;
  },
});

test('a complete report: status 0, text on stdout, nothing on stderr', async () => {
  const { status, out, err } = await runWith(['hung.vmcore']);
  expect(status).toBe(0);
  expect(out).toMatch(/^ps \(pid 96\) stands still/);
  expect(err).toBe('');
});

test('a complete report without any finding is complete too', async () => {
  expect((await runWith(['x'], fakeIo({}, fakeCore(report({ findings: [] }))))).status).toBe(0);
});

test('a partial report: status 1', async () => {
  const { status, out } = await runWith(['x'], fakeIo({}, fakeCore(partialReport())));
  expect(status).toBe(1);
  expect(out).toContain('Partial: ');
});

test('--json prints the schema, wherever the option stands', async () => {
  for (const argv of [
    ['--json', 'x'],
    ['x', '--json'],
    ['--json', '--', 'x'],
  ]) {
    const { status, out } = await runWith(argv);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ schema: 'kwhy-report', version: 1, complete: true });
  }
});

test.each([
  [[], 'which dump? usage: kwhy VMCORE'],
  [['a', ''], 'which dump? usage: kwhy VMCORE'],
  [['--jsno', 'a'], 'unknown option --jsno; did you mean --json?'],
  [['--time-limt', '3', 'a'], 'unknown option --time-limt; did you mean --time-limit?'],
  [['--colour=always', 'a'], 'unknown option --colour; did you mean --color?'],
  [['--frobnicate', 'a'], 'unknown option --frobnicate'],
  [['-x', 'a'], 'unknown option -x'],
  [['--__proto__', 'a'], 'unknown option --__proto__'],
  [['a', '-o'], '-o needs a value'],
  [['a', '-o', '--json'], '-o needs a value'],
  [['a', '--json=yes'], '--json takes no value'],
  [['a', '--width', '5'], '--width 5: must be a number of columns from 20 to 10000'],
  [['a', '--width', '1e3'], '--width 1e3: must be'],
  [['a', '--time-limit', 'soon'], '--time-limit soon: must be a number of seconds'],
  [['a', '--time-limit', '0'], '--time-limit 0: must be'],
  [['a', '--timeout', 'x'], '--timeout x: must be a number of seconds'],
  [['a', '--color', 'blue'], '--color blue: must be auto, always or never'],
])('a wrong command line %j: status 2, one line', async (argv, message) => {
  const { status, out, err } = await runWith(argv);
  expect(status).toBe(2);
  expect(out).toBe('');
  expect(err).toMatch(/^kwhy: [^\n]+\(see kwhy --help\)\n$/);
  expect(err).toContain(message);
});

test('--help and --version', async () => {
  const help = await runWith(['--help']);
  expect(help.status).toBe(0);
  expect(help.out).toContain('usage: kwhy VMCORE');
  expect(Math.max(...help.out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  expect((await runWith(['x', '-V'])).out).toMatch(/^kwhy \d+\.\d+\.\d+\n$/);
});

test.each([
  ['an empty file', 'empty', '', /the file is empty/],
  ['a text file', 'notes.txt', 'the machine hung again\n', /text file/],
  ['an ELF file that is a kernel', 'vmlinux', elfHeader(2), /vmcore|dump|kernel|executable/i],
  ['zeros', 'zeros', '\0'.repeat(4096), /not a kernel dump/],
])('%s: status 3, one line', async (_what, name, content, message) => {
  const path = tempFolder()(name);
  writeFileSync(path, content, 'latin1');
  const { status, out, err } = await runWith([path], fakeIo({}, opener));
  expect(err).toMatch(/^kwhy: [^\n]+\n$/);
  expect(err).toContain(path);
  expect(err).toMatch(message);
  expect({ status, out }).toEqual({ status: 3, out: '' });
});

test.each([
  ['a directory', '.', /directory/],
  ['a missing file', 'missing', /no such file/],
  ['a device', '/dev/null', /regular file/],
])('%s: status 3, one line', async (_what, name, message) => {
  const path = name.startsWith('/') ? name : tempFolder()(name);
  const { status, out, err } = await runWith([path], fakeIo({}, opener));
  expect(err).toMatch(/^kwhy: [^\n]+\n$/);
  expect(err).toMatch(message);
  expect({ status, out }).toEqual({ status: 3, out: '' });
});

test('a kdump that ends in its header: status 3, one line', async () => {
  const path = tempFolder()('short');
  writeFileSync(path, `KDUMP   ${'\0'.repeat(52)}`, 'latin1');
  const { status, err } = await runWith([path], fakeIo({}, opener));
  expect(err).toMatch(/^kwhy: [^\n]+\n$/);
  expect(status).toBe(3);
});

test.each([
  ['EACCES', -13, 'open', 'permission denied'],
  ['EIO', -5, 'read', 'i/o error'],
])('%s of the system: status 3, one line', async (code, errno, syscall, words) => {
  const error = Object.assign(new Error(`${code}: ${words}, ${syscall} 'x'`), { code, errno, syscall });
  const { status, err } = await runWith(['x'], fakeIo({}, failing(error)));
  expect({ status, err }).toEqual({ status: 3, err: `kwhy: x: ${words}\n` });
});

test('a damaged file is named', async () => {
  const { status, err } = await runWith(['x.vmcore'], fakeIo({}, failing(new FormatError('kdump header', 'bad', 12))));
  expect({ status, err }).toEqual({ status: 3, err: 'kwhy: x.vmcore: kdump header: bad (at offset 12)\n' });
});

test('a bug: status 4, the stack only when asked for', async () => {
  const bug = new TypeError(`undefined is not ${hostileName}`);
  const quiet = await runWith(['x'], fakeIo({}, failing(bug)));
  expect(quiet.status).toBe(4);
  expect(quiet.err).toMatch(
    /^kwhy: internal error: TypeError: undefined is not [\x20-\x7e]+ \(set KWHY_DEBUG=1[^\n]+\n$/,
  );
  const loud = await runWith(['x'], fakeIo({ env: { KWHY_DEBUG: '1' } }, failing(bug)));
  expect(loud.err.split('\n').length).toBeGreaterThan(3);
  expect(loud.err.replaceAll('\n', '')).toMatch(/^[\x20-\x7e]*$/);
});

test('hostile names of files do not reach the terminal', async () => {
  const { err } = await runWith([`/nowhere/${hostileName}`], fakeIo({}, opener));
  expect(err).toMatch(/^kwhy: [\x20-\x7e]+\n$/);
});

test('the time limit passes between steps: what the diagnosis knew', async () => {
  let time = 0;
  const core: Core = {
    open: () => ({
      *diagnose(budget) {
        time = 4999;
        budget.check();
        yield { step: 'slow' };
        time = 5001;
        try {
          budget.check();
        } catch (error) {
          return report({ stopped: error instanceof CancelledError ? error.reason : undefined, complete: false });
        }
        return report();
      },
      close: () => {},
    }),
  };
  const { status, out } = await runWith(['x', '--time-limit', '5'], fakeIo({ now: () => time }, core));
  expect(status).toBe(1);
  expect(out).toContain('Partial: the time limit ended the work early');
});

test('work is ended in the middle of a step: the report of the last step', async () => {
  const steps = [{ step: 'a', partial: (stopped: 'time-limit' | 'interrupt') => report({ stopped, complete: false }) }];
  const core = fakeCore(report(), steps);
  const io = fakeIo(
    {
      guard: (work) => {
        work();
        throw new CancelledError('interrupt');
      },
    },
    core,
  );
  const { status, out } = await runWith(['x'], io);
  expect(status).toBe(1);
  expect(out).toContain('Partial: the work was interrupted');
});

test('nothing is known yet: Ctrl-C is status 130, the time limit an empty partial report', async () => {
  const interrupted = await runWith(['x'], fakeIo({}, failing(new CancelledError('interrupt'))));
  expect(interrupted).toEqual({ status: 130, out: '', err: 'kwhy: interrupted before anything was known\n' });
  const late = await runWith(['x'], fakeIo({}, failing(new CancelledError('time-limit'))));
  expect(late.status).toBe(1);
  expect(late.out).toMatch(/^Nothing is known yet: the time limit passed/);
});

test('width and colour follow the terminal, and the options go first', async () => {
  const terminal = { isTTY: true, columns: 60 };
  const narrow = await runWith(['x'], fakeIo({ stdout: fakeSink(terminal), env: { NO_COLOR: '1' } }));
  expect(narrow.out.split('\n')[0]).toBe('ps (pid 96) stands still while it holds the lock of');
  const coloured = await runWith(['x'], fakeIo({ stdout: fakeSink(terminal) }));
  expect(coloured.out).toContain('\u001b[');
  const never = await runWith(['x', '--color=never', '--width=200'], fakeIo({ stdout: fakeSink(terminal) }));
  expect(never.out).not.toContain('\u001b[');
  expect(never.out).toContain('Held by         ps (pid 96) for reading, asleep');
  const pipe = await runWith(['x', '--color', 'always']);
  expect(pipe.out).toContain('\u001b[');
});

test('a write that fails is one line and status 3', async () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
    errno: -28,
    syscall: 'write',
  });
  const io = fakeIo({ stdout: fakeSink({ write: () => Promise.reject(full) }) });
  expect(await runWith(['x'], io)).toMatchObject({
    status: 3,
    err: 'kwhy: standard output: no space left on device\n',
  });
});

test('the first finding decides nothing of the status', async () => {
  const doubtful = report({ findings: [stuckHolder({ confidence: 'possible' })] });
  expect((await runWith(['x'], fakeIo({}, fakeCore(doubtful)))).status).toBe(0);
});

/** The header of an ELF file of x86-64 with one PT_LOAD; 2 is an executable, as vmlinux is. */
function elfHeader(type: number): string {
  const bytes = Buffer.alloc(64 + 56);
  bytes.write('\x7fELF\x02\x01\x01', 'latin1');
  bytes.writeUInt16LE(type, 16);
  bytes.writeUInt16LE(62, 18);
  bytes.writeUInt32LE(1, 20);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(64, 52);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(1, 56);
  bytes.writeUInt32LE(1, 64);
  return bytes.toString('latin1');
}
