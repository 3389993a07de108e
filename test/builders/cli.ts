/** Surroundings for `runCli`: streams that collect, a clock that stands still, and a core that gives a known report. */
import type { Guard } from '../../src/cli/guard.ts';
import type { Io, Sink } from '../../src/cli/io.ts';
import type { Core, Step } from '../../src/cli/report-run.ts';
import { runCli } from '../../src/cli/run-cli.ts';
import type { Report } from '../../src/model/report.ts';
import { report } from './report.ts';

export interface FakeSink extends Sink {
  text: string;
}

export function fakeSink(part: Partial<Sink> = {}): FakeSink {
  const sink: FakeSink = {
    text: '',
    isTTY: false,
    columns: undefined,
    write(text) {
      sink.text += text;
      return Promise.resolve();
    },
    writeNow(text) {
      sink.text += text;
    },
    ...part,
  };
  return sink;
}

/** Runs work as it is: nothing ends it. */
export const noGuard: Guard = (work) => work();

/** A core whose diagnosis takes these steps and ends with this report. */
export function fakeCore(result: Report = report(), steps: readonly Step[] = [{ step: 'reading tasks' }]): Core {
  return {
    open: () => ({
      *diagnose(budget) {
        for (const step of steps) {
          yield step;
          budget.check();
        }
        return result;
      },
      close: () => {},
    }),
  };
}

export interface FakeIo extends Io {
  readonly stdout: FakeSink;
  readonly stderr: FakeSink;
}

export function fakeIo(part: Partial<FakeIo> = {}, core: Core = fakeCore()): FakeIo {
  return {
    env: {},
    readInput: () => Promise.resolve(undefined),
    now: () => 0,
    guard: noGuard,
    loadCore: () => Promise.resolve(core),
    stdout: fakeSink(),
    stderr: fakeSink(),
    ...part,
  };
}

export interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export async function runWith(argv: readonly string[], io: FakeIo = fakeIo()): Promise<Outcome> {
  const status = await runCli(argv, io);
  return { status, out: io.stdout.text, err: io.stderr.text };
}
