import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const program = fileURLToPath(new URL('../../test/builders/cli-process.ts', import.meta.url));

function start(...argv: string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [program, ...argv]);
}

interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  let out = '';
  let err = '';
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString();
  });
  return new Promise((resolve) => {
    child.on('close', (status, signal) => {
      resolve({ status, signal, out, err });
    });
  });
}

test('Ctrl-C ends work that never asks its budget, and what was known is shown', async () => {
  const child = start('endless', 'x');
  child.stderr.once('data', () => child.kill('SIGINT'));
  const { status, out, err } = await ended(child);
  expect({ status, err }).toEqual({ status: 1, err: 'endless\n' });
  expect(out).toContain('Partial: the work was interrupted');
  expect(out).toMatch(/51 of 51 stacks of blocked tasks\n$/);
});

test('so does the time limit', async () => {
  const { status, out } = await ended(start('endless', 'x', '--json', '--time-limit', '0.01'));
  expect(status).toBe(1);
  expect(JSON.parse(out)).toMatchObject({ complete: false, stopped: 'time-limit' });
});

test('a long report arrives whole through a pipe', async () => {
  const { status, out } = await ended(start('long', 'x'));
  expect(status).toBe(0);
  expect(out).toContain('- problem 19999 of many\n');
});

test('a reader that goes away early is no error', async () => {
  const child = start('long', 'x');
  child.stdout.once('data', () => child.stdout.destroy());
  const { status, signal, err } = await ended(child);
  expect({ status, signal, err }).toEqual({ status: 0, signal: null, err: '' });
});
