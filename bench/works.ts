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
}

export interface Work {
  readonly name: string;
  readonly work: string;
  /** Arguments of kwhy. */
  kwhy(dump: string): readonly string[];
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

const report = {
  work: 'the report, without debuginfo',
  kwhy: (dump: string) => [dump],
};

const run =
  (command: string) =>
  (dump: string): readonly string[] => ['run', dump, '-c', command];

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
    work: 'ps',
    kwhy: run('ps'),
    peers: [
      { peer: 'drgn', work: 'tasks, parents, states, RSS', script: 'drgn-tasks.py', sign: /^\d+ tasks$/m },
      { peer: 'crash', work: 'ps, with debuginfo', script: 'crash-ps.txt', sign: /PID +PPID/, bar: { time: 1 } },
    ],
  },
  {
    name: 'stacks',
    work: 'foreach bt',
    kwhy: run('foreach bt'),
    peers: [drgnStacks, { ...crashStacks, bar: { time: 1 } }],
  },
  {
    name: 'slabs',
    work: 'kmem -s',
    kwhy: run('kmem -s'),
    peers: [
      { peer: 'crash', work: 'kmem -s, with debuginfo', script: 'crash-slabs.txt', sign: /OBJSIZE/, bar: { time: 1 } },
    ],
  },
];
