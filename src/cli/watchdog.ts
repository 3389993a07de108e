/**
 * Ends a detector that allocates or loops without end and never asks its budget: a thread of its own looks at the memory of
 * the process and at how long the step lasts, and sends this process SIGINT, which the guard (guard.ts) takes for Ctrl-C.
 * V8 ends the process at the limit of its heap and asks nobody, so this has to be before that. Only under the guard. What it
 * needs of Node is loaded when it starts: most reports end before.
 */

export interface WatchdogLimits {
  /** Bytes that the process may grow by. */
  readonly memory: number;
  /** Milliseconds that one step may last. */
  readonly step: number;
}

export interface Watchdog {
  /** A step begins. */
  step(): void;
  /** What it ended the work for; undefined when it did not. */
  readonly verdict: 'memory' | 'time' | undefined;
  stop(): void;
}

/** Words of the shared memory. */
const STEP = 0;
const VERDICT = 1;
const STOP = 2;
const VERDICTS = [undefined, 'memory', 'time'] as const;
/** Milliseconds between two looks: what allocates a gigabyte in a second grows by 50 MB meanwhile. */
const PERIOD = 50;

/**
 * What a step may take where nobody says: all but a quarter of the heap that V8 ends the process at. Reports of dumps of
 * 8 GiB grow by 0.3 GB.
 */
export function memoryLimit(): number {
  return process.getBuiltinModule('node:v8').getHeapStatistics().heap_size_limit * 0.75;
}

/** Runs in the thread, so it sees nothing of this file. */
const SOURCE = `
const { workerData: { words, memory, step, period, indices: [STEP, VERDICT, STOP] } } = require('node:worker_threads');
const limit = process.memoryUsage.rss() + memory;
let current = Atomics.load(words, STEP);
let since = performance.now();
const end = (verdict) => {
  if (Atomics.load(words, STOP) !== 0) return;
  Atomics.store(words, VERDICT, verdict);
  process.kill(process.pid, 'SIGINT');
};
while (Atomics.wait(words, STOP, 0, period) === 'timed-out') {
  const now = Atomics.load(words, STEP);
  if (now !== current) {
    current = now;
    since = performance.now();
  }
  if (process.memoryUsage.rss() > limit) end(1);
  else if (performance.now() - since > step) end(2);
  else continue;
  break;
}
`;

/** Watches until it is stopped, or has ended the work. */
export function startWatchdog({ memory, step }: WatchdogLimits): Watchdog {
  const words = new Int32Array(new SharedArrayBuffer(12));
  const workerData = { words, memory, step, period: PERIOD, indices: [STEP, VERDICT, STOP] };
  // Few MiB are enough for it, and nothing that it inherits is of use.
  const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 };
  const { Worker } = process.getBuiltinModule('node:worker_threads');
  const thread = new Worker(SOURCE, { eval: true, workerData, resourceLimits, env: {}, execArgv: [] });
  thread.unref();
  return {
    step: () => void Atomics.add(words, STEP, 1),
    get verdict() {
      return VERDICTS[Atomics.load(words, VERDICT)];
    },
    stop() {
      Atomics.store(words, STOP, 1);
      Atomics.notify(words, STOP);
    },
  };
}

/** Gives back what ended work has left behind, so that the next one is measured alone. */
export function collectGarbage(): void {
  process.getBuiltinModule('node:v8').setFlagsFromString('--expose-gc');
  const collect = process.getBuiltinModule('node:vm').runInNewContext('gc') as () => void;
  collect();
}
