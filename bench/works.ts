/** What is measured: the same question put to kwhy and to its peers, and what kwhy may take of their time and memory. */
import type { PeerName } from './peers.ts';

export interface PeerWork {
  readonly peer: PeerName;
  readonly work: string;
  /** A file of this folder. */
  readonly script: string;
  /** What the output of a run that worked contains. */
  readonly sign: RegExp;
  readonly bar?: Bar;
}

/** The most that kwhy may take of a peer's time and peak memory. */
export interface Bar {
  readonly time?: number;
  readonly memory?: number;
  /** Of the time beyond that of its start, kwhy's own start left out as well: the wait at the prompt. */
  readonly afterStart?: number;
}

/** What only starts and ends. */
export const STARTS = {
  /** What stands above the first prompt. The tasks are not read for it: what a command needs of them comes on top. */
  kwhy: (dump: string): readonly string[] => ['run', '--no-rc', dump, '-c', 'sys'],
  crash: 'crash-quit.txt',
} as const;

export interface Work {
  readonly name: string;
  readonly work: string;
  /** Arguments of kwhy. A work that takes a vmlinux is left out for kernels of which there is none. */
  kwhy(dump: string, vmlinux: string | undefined): readonly string[] | undefined;
  readonly peers: readonly PeerWork[];
}

const drgnStacks = {
  peer: 'drgn',
  work: 'stacks of all tasks, with debuginfo',
  script: 'drgn-stacks.py',
  sign: /^\d+ tasks$/m,
} as const;

const crashStacks = {
  peer: 'crash',
  work: 'foreach bt, with debuginfo',
  script: 'crash-stacks.txt',
  sign: /PID: [^]*#0 /,
} as const;

const crashPages = {
  peer: 'crash',
  work: 'kmem -p, with debuginfo',
  script: 'crash-pages.txt',
  sign: /PAGE +PHYSICAL/,
} as const;

const report = {
  work: 'the report, without debuginfo',
  kwhy: (dump: string) => [dump],
};

const run =
  (...commands: readonly string[]) =>
  (dump: string): readonly string[] => ['run', '--no-rc', dump, ...commands.flatMap((command) => ['-c', command])];

/** A command beside crash's. */
const CRASH_COMMAND = { time: 1, afterStart: 1 };

export const WORKS: readonly Work[] = [
  {
    ...report,
    name: 'report',
    peers: [
      { ...drgnStacks, bar: { time: 0.5, memory: 1 } },
      {
        peer: 'crash',
        work: 'sys; kmem -i; ps -G; foreach UN bt, with debuginfo',
        script: 'crash-report.txt',
        sign: /KERNEL: [^]*TOTAL MEM [^]*PID: /,
        bar: { time: 0.1 },
      },
    ],
  },
  {
    ...report,
    name: 'large',
    peers: [
      { ...drgnStacks, bar: { time: 0.2 } },
      { ...crashStacks, bar: { time: 0.5 } },
    ],
  },
  {
    name: 'tasks',
    work: 'sys; ps',
    kwhy: run('sys', 'ps'),
    peers: [
      { peer: 'drgn', work: 'tasks, parents, states, RSS', script: 'drgn-tasks.py', sign: /^\d+ tasks$/m },
      { peer: 'crash', work: 'ps, with debuginfo', script: 'crash-ps.txt', sign: /PID +PPID/, bar: CRASH_COMMAND },
    ],
  },
  {
    name: 'stacks',
    work: 'sys; foreach bt',
    kwhy: run('sys', 'foreach bt'),
    peers: [drgnStacks, { ...crashStacks, bar: CRASH_COMMAND }],
  },
  {
    name: 'slabs',
    work: 'sys; kmem -s',
    kwhy: run('sys', 'kmem -s'),
    peers: [
      {
        peer: 'crash',
        work: 'kmem -s, with debuginfo',
        script: 'crash-slabs.txt',
        sign: /OBJSIZE/,
        bar: CRASH_COMMAND,
      },
    ],
  },
  {
    name: 'ledger',
    work: 'mem; mem --by process (every page once, PSS and USS)',
    kwhy: run('mem', 'mem --by process'),
    peers: [{ ...crashPages, bar: { time: 1, memory: 1 } }],
  },
  {
    ...report,
    name: 'bounded',
    peers: [{ ...crashPages, bar: { time: 0.5, memory: 1 } }],
  },
  {
    name: 'lines',
    work: 'bt -l 1: the first stack with lines of source, with debuginfo',
    kwhy: (dump, vmlinux) => (vmlinux === undefined ? undefined : ['run', '--no-rc', dump, vmlinux, '-c', 'bt -l 1']),
    peers: [
      {
        peer: 'drgn',
        work: 'the same',
        script: 'drgn-lines.py',
        sign: /^#0 .*:\d+/m,
        bar: { time: 1, memory: 1 },
      },
    ],
  },
  {
    name: 'prompt',
    work: 'sys: what stands above the first prompt',
    kwhy: run('sys'),
    peers: [
      { peer: 'drgn', work: 'opens, loads debuginfo', script: 'drgn-start.py', sign: /^swapper/m, bar: { time: 0.6 } },
      {
        peer: 'crash',
        work: 'sys, with debuginfo',
        script: 'crash-start.txt',
        sign: /KERNEL: /,
        bar: { time: 0.1 },
      },
    ],
  },
];
