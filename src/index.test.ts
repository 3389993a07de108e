/**
 * What the library promises as a whole, on the real dump: a time limit or a cancellation ends whatever works on a dump,
 * with one typed error, and nothing is lost: the program goes on where the next question finds it.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SAMPLE } from '../test/builders/sample.ts';
import type { Answer, WorkerData } from '../test/builders/worker.ts';
import { pfn } from './base/address.ts';
import { attempt } from './base/errors.ts';
import * as kwhy from './index.ts';

const { CancelledError, openProgram } = kwhy;

it('names everything it exports in docs/library.md', () => {
  const root = join(import.meta.dirname, '..');
  const page = readFileSync(join(root, 'docs/library.md'), 'utf8');
  const source = readFileSync(join(root, 'src/index.ts'), 'utf8');
  const lists = [...source.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, list = '']) => list.split(','));
  const types = lists.map((name) => name.trim().replace(/^type /, '')).filter((name) => name !== '');
  const names = new Set([...Object.keys(kwhy), ...types]);
  expect(names.size).toBeGreaterThan(100);
  const missing = [...names].filter((name) => !new RegExp(`\\b${name}\\b`).test(page));
  expect(missing).toEqual([]);
});

/** Ends the work at the question of this number; counts all of them. */
function budgetFor(questions: number): kwhy.Budget & { asked: number } {
  const budget = {
    asked: 0,
    check() {
      if (++budget.asked > questions) throw new CancelledError('time-limit');
    },
  };
  return budget;
}

const tasksOf = (program: kwhy.Program): readonly kwhy.Task[] => kwhy.readTasks(program).tasks;

function lockWaits(program: kwhy.Program): readonly unknown[] {
  const tasks = tasksOf(program);
  const addresses = new Set(tasks.map(({ address }) => address));
  return tasks.map((task) => {
    const { frames } = kwhy.taskStack(program, task);
    return attempt(() => kwhy.findLockWait(program, task, frames, (address) => addresses.has(address)));
  });
}

/** Every long operation of the library, and how many questions it asks at least. */
const OPERATIONS: readonly (readonly [string, number, (program: kwhy.Program) => unknown])[] = [
  ['tasks', 2, tasksOf],
  ['stacks', 4, (program) => tasksOf(program).map((task) => kwhy.taskStack(program, task).frames.length)],
  ['lock waits', 4, lockWaits],
  ['log', 1, (program) => kwhy.readLog(program).records.length],
  ['slab caches', 1, (program) => kwhy.slabCaches(program).size],
  ['open files', 2, (program) => tasksOf(program).map((task) => attempt(() => kwhy.openFiles(program, task.address)))],
  [
    'mappings',
    2,
    (program) => tasksOf(program).map(({ mm }) => (mm === undefined ? 0 : kwhy.vmasOf(program, mm).vmas.length)),
  ],
  ['file systems', 1, (program) => [...kwhy.superBlocks(program)].length],
  ['types of modules', 1, (program) => program.addModuleTypes()],
];

describe('a budget ends', () => {
  let program: kwhy.Program;
  beforeAll(() => {
    program = openProgram(SAMPLE);
  });
  afterAll(() => program.close());

  it.each(OPERATIONS)(
    '%s, wherever it stands, and the same question has its whole answer afterwards',
    (_, least, run) => {
      const truth = run(openProgram(SAMPLE));
      const counted = budgetFor(Infinity);
      const fresh = openProgram(SAMPLE);
      expect(fresh.within(counted, () => run(fresh))).toEqual(truth);
      expect(counted.asked).toBeGreaterThanOrEqual(least);
      const stops = [0, 1, Math.floor(counted.asked / 2), counted.asked - 1];
      for (const stop of new Set(stops.filter((each) => each >= 0 && each < counted.asked))) {
        const stopped = openProgram(SAMPLE);
        expect(() => stopped.within(budgetFor(stop), () => run(stopped)), `question ${stop}`).toThrow(CancelledError);
        expect(run(stopped), `after question ${stop}`).toEqual(truth);
        stopped.close();
      }
    },
  );

  it('opening, wherever it stands', () => {
    const counted = budgetFor(Infinity);
    openProgram(SAMPLE, { budget: counted }).close();
    expect(counted.asked).toBeGreaterThan(3);
    for (let stop = 0; stop < counted.asked; stop++) {
      expect(() => openProgram(SAMPLE, { budget: budgetFor(stop) }), `question ${stop}`).toThrow(CancelledError);
    }
  });

  it('loops without end that read memory, a page table, or the file', () => {
    const { address } = program.symbol('init_task');
    const endless: readonly (() => unknown)[] = [
      () => program.memory.readU8(address),
      () => program.memory.isReadable(address),
      () => program.memory.physical.readU64(program.memory.translate(address)),
      () => program.dump.status(pfn(0)),
      () => program.dump.nextInFile(pfn(0)),
    ];
    for (const work of endless) {
      expect(() => program.within(budgetFor(100), () => endlessly(work, 5_000_000))).toThrow(CancelledError);
    }
  });

  it('the diagnosis, with what was known before as its report', () => {
    const counted = budgetFor(Infinity);
    const whole = reportOf(program, counted);
    expect(whole).toMatchObject({ complete: true, stopped: undefined });
    const done = (report: kwhy.Report) => report.checks.filter(({ status }) => status !== 'out-of-time');
    let most = 0;
    for (const share of [0, 0.2, 0.5, 0.9]) {
      const report = reportOf(program, budgetFor(Math.floor(counted.asked * share)));
      expect(report).toMatchObject({ complete: false, stopped: 'time-limit' });
      expect(report.checks.map(({ detector }) => detector).sort()).toEqual(
        whole.checks.map(({ detector }) => detector).sort(),
      );
      // What it says, it says as the whole report does.
      expect(whole.checks).toEqual(expect.arrayContaining(done(report)));
      expect(whole.findings).toEqual(expect.arrayContaining([...report.findings]));
      expect(done(report).length).toBeGreaterThanOrEqual(most);
      most = done(report).length;
    }
    expect(most).toBeGreaterThan(0);
    expect(reportOf(program, kwhy.unlimited)).toEqual(whole);
  });
});

describe('an AbortSignal', () => {
  it('ends the opening', () => {
    const budget = kwhy.budgetOf({ signal: AbortSignal.abort() });
    expect(() => openProgram(SAMPLE, { budget })).toThrow(CancelledError);
  });

  it('that the program was opened with ends everything after it, and not what came before', () => {
    const control = new AbortController();
    const program = openProgram(SAMPLE, { budget: kwhy.budgetOf({ signal: control.signal }) });
    expect(tasksOf(program)).toHaveLength(163);
    control.abort();
    expect(() => program.within(kwhy.unlimited, () => tasksOf(program))).toThrow(CancelledError);
    expect(() => tasksOf(program)).toThrow(CancelledError);
    program.close();
  });

  it('ends work that is done in steps', async () => {
    const program = openProgram(SAMPLE);
    const control = new AbortController();
    const steps = kwhy.diagnose(program, kwhy.budgetOf({ signal: control.signal }));
    let taken = 0;
    let next = steps.next();
    for (; next.done !== true; next = steps.next()) {
      // The turn in which a user interface would be told to stop.
      if (++taken === 4) setImmediate(() => control.abort());
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(next.value).toMatchObject({ stopped: 'interrupt', complete: false });
    expect(taken).toBeLessThan(10);
    program.close();
  });
});

it('a dump is checked', () => {
  const check = kwhy.checkDump(SAMPLE);
  expect(check).toMatchObject({ verdict: 'sound', missing: [], problems: [] });
  expect(kwhy.checkText(check, { width: 100, colour: false })).toMatch(/^A sound dump/);
  expect(JSON.parse(kwhy.checkJson(check))).toMatchObject({ schema: 'kwhy-check', complete: true });
  expect(() => kwhy.checkDump(SAMPLE, { budget: budgetFor(3) })).toThrow(CancelledError);
});

it('a time limit is one of the clock', () => {
  const budget = kwhy.budgetOf({ seconds: 0.01 });
  const program = openProgram(SAMPLE);
  expect(() => program.within(budget, () => endlessly(() => tasksOf(program), 10_000))).toThrow('time limit reached');
  program.close();
});

describe('a worker', () => {
  const workers: Worker[] = [];
  afterEach(async () => {
    for (const worker of workers.splice(0)) await worker.terminate();
  });
  const start = (stop?: Int32Array): Worker => {
    const program = openProgram(SAMPLE);
    const data: WorkerData = { descriptor: program.descriptor(), ...(stop === undefined ? {} : { stop }) };
    program.close();
    const worker = new Worker(join(import.meta.dirname, '../test/builders/worker.ts'), { workerData: data });
    workers.push(worker);
    return worker;
  };

  it('opens the program by its descriptor', async () => {
    const [answer] = (await once(start(), 'message')) as [Answer];
    const program = openProgram(SAMPLE);
    expect(answer.tasks).toEqual(tasksOf(program).map(({ pid, comm }) => `${pid} ${comm}`));
    expect(answer.tasks).toContain('96 ps');
    program.close();
  });

  it('is ended by a shared word, in the middle of synchronous work', async () => {
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const worker = start(stop);
    expect(await once(worker, 'message')).toEqual(['working']);
    Atomics.store(stop, 0, 1);
    const [answer] = (await once(worker, 'message')) as [Answer];
    expect(answer.ended).toBe('CancelledError: interrupted');
  });
});

/** As good as without end; when nothing ends it, the test fails and does not hang. */
function endlessly(work: () => unknown, times: number): never {
  for (let i = 0; i < times; i++) work();
  throw new Error('nothing ended it');
}

function reportOf(program: kwhy.Program, budget: kwhy.Budget): kwhy.Report {
  const steps = kwhy.diagnose(program, budget);
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
  }
}
