/**
 * The answers of the guest's own /proc. Two recordings bound what moves: a value that changed by n between them may have
 * changed by as much again, in either direction, until the dump. Text that changed between them is not asked for.
 */
import { type Answer, Answers } from '../answers.ts';
import type { Recording } from './recording.ts';

/** What a value may differ by without having moved; in the value's unit. */
export function range(first: string | undefined, second: string | undefined, slack = 0): Answer | undefined {
  if (first === undefined || second === undefined) return undefined;
  const [a, b] = [Number(first), Number(second)];
  if (!Number.isFinite(a) || !Number.isFinite(b)) return undefined;
  if (a === b && slack === 0) return second;
  const moved = Math.abs(b - a) + slack;
  return { low: Math.min(a, b) - moved, high: Math.max(a, b) + moved, text: `${first}, then ${second}` };
}

/** A count that only rises: what it has not done between the recordings it may do after them, at any pace. */
export function rising(first: string | undefined, second: string | undefined): Answer | undefined {
  if (first === undefined || second === undefined || !(Number(second) >= Number(first))) return undefined;
  if (first === second) return second;
  return { low: Number(second), high: Infinity, text: `${first}, then ${second}, and rising` };
}

/** A count of the whole machine, which rises at any time. */
function atLeast(second: string | undefined): Answer | undefined {
  return second === undefined ? undefined : { low: Number(second), high: Infinity, text: `${second}, and rising` };
}

/** Items of zones and nodes that count what happened, and not what there is. */
const COUNTING = /^nr_(foll_pin_\w+|dirtied|written|vmscan_\w+|throttled_written)$/;

/** 'Name:  value' lines. */
function fields(text: string | undefined): ReadonlyMap<string, string> {
  return new Map(
    (text ?? '').split('\n').flatMap((line) => {
      const [, name, value] = /^([^:]+):\s*(.*?)(?: kB)?$/.exec(line) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value] as const];
    }),
  );
}

class Reader {
  readonly answers = new Answers();
  readonly #recording: Recording;

  constructor(recording: Recording) {
    this.#recording = recording;
  }

  both(path: string): readonly [string | undefined, string | undefined] {
    return [this.#recording.first.get(path), this.#recording.second.get(path)];
  }

  /** Text that stayed the same. */
  same(group: string, key: string, [first, second]: readonly [string | undefined, string | undefined]): void {
    if (first !== undefined && first === second) this.answers.say(group, key, second);
  }

  number(
    group: string,
    key: string,
    [first, second]: readonly [string | undefined, string | undefined],
    slack: number,
  ): void {
    this.answers.say(group, key, range(first, second, slack));
  }

  /** Threads other than the first: process and thread. */
  threads(): (readonly [string, string])[] {
    return [...this.#recording.second.keys()].flatMap((path) => {
      const [, pid, thread] = /^(\d+)\/task\/(\d+)\/stat$/.exec(path) ?? [];
      return pid === undefined || thread === undefined || !this.#recording.first.has(path)
        ? []
        : [[pid, thread] as const];
    });
  }

  pids(): string[] {
    const of = (files: ReadonlyMap<string, string>): string[] =>
      [...files.keys()].flatMap((path) => /^(\d+)\/status$/.exec(path)?.[1] ?? []);
    const second = new Set(of(this.#recording.second));
    return of(this.#recording.first).filter((pid) => second.has(pid));
  }
}

/** What `stat` has behind the name, which may hold blanks and parentheses. */
const afterName = (text: string | undefined): readonly string[] | undefined =>
  text?.slice(text.lastIndexOf(')') + 2).split(' ');

/** Names in `stat`, by their place: proc(5) counts from 1, and `comm` may hold blanks and parentheses. */
const STAT = { ppid: 4, processGroup: 5, session: 6, starttime: 22, vsize: 23 } as const;
/** Fields of `status` in kB. */
const SIZES = ['VmSize', 'VmPTE', 'VmSwap'] as const;

/**
 * Pages that may come and go while the second recording is written out and the crash is prepared: a MiB, the recorder's
 * own buffer.
 */
const SLACK = 256;
/** Of one slab cache. */
const SLAB_SLACK = 32;
/** What does not move at all. */
const FIXED = /^(MemTotal|SwapTotal|CommitLimit|VmallocTotal|Hugetlb|HugePages_\w+|Hugepagesize)$/;

/** Everything that the recordings tell. */
export function procAnswers(recording: Recording): Answers {
  const read = new Reader(recording);
  for (const pid of read.pids()) sayProcess(read, pid);
  for (const [pid, thread] of read.threads()) sayThread(read, pid, thread);
  sayMemory(read);
  saySystem(read);
  return read.answers;
}

function sayProcess(read: Reader, pid: string): void {
  const status = read.both(`${pid}/status`).map(fields);
  const field = (name: string): readonly [string | undefined, string | undefined] => [
    status[0]?.get(name),
    status[1]?.get(name),
  ];
  const key = (name: string): string => `${pid}.${name}`;
  for (const name of ['Name', 'Tgid', 'PPid']) read.same('processes', key(name), field(name));
  const [was, is] = field('State');
  read.same('processes', key('State'), [was?.charAt(0), is?.charAt(0)]);
  read.number('processes', key('Threads'), field('Threads'), 0);
  for (const name of SIZES) read.number('processes', key(name), field(name), 0);
  const stat = read.both(`${pid}/stat`).map(afterName);
  for (const [name, place] of Object.entries(STAT))
    read.same('processes', key(name), [stat[0]?.[place - 3], stat[1]?.[place - 3]]);
  const rollup = read.both(`${pid}/smaps_rollup`).map(fields);
  read.number('processes', key('Rss'), [rollup[0]?.get('Rss'), rollup[1]?.get('Rss')], 0);
  const times = read.both(`${pid}/schedstat`).map((text) => text?.trim().split(' '));
  read.answers.say('processes', key('runDelay'), rising(times[0]?.[1], times[1]?.[1]));
  read.answers.say('processes', key('runs'), rising(times[0]?.[2], times[1]?.[2]));
  const groups = read.both(`${pid}/cgroup`).map((text) => /^0::(.*)$/m.exec(text ?? '')?.[1]);
  read.same('processes', key('cgroup'), [groups[0], groups[1]]);
  const said = (file: string): readonly [string | undefined, string | undefined] => {
    const [first, second] = read.both(`${pid}/${file}`);
    return [first?.trim(), second?.trim()];
  };
  read.same('processes', key('oomScoreAdj'), said('oom_score_adj'));
  read.number('processes', key('oomScore'), said('oom_score'), 0);
  read.same('wchan', pid, said('wchan'));
  const stacks = read.both(`${pid}/stack`).map(stackText);
  // Of a task that runs there is none.
  if (stacks[0] !== '') read.same('kernel stacks', pid, [stacks[0], stacks[1]]);
}

/** 'handle_userfault+0x42f/0x8e0 ...' */
function stackText(text: string | undefined): string | undefined {
  return text
    ?.split('\n')
    .map((line) => line.replace(/^\[<0>\] /, ''))
    .filter((line) => line !== '')
    .join(' ');
}

/** The same of a thread as of a process, as far as it is its own. */
function sayThread(read: Reader, pid: string, thread: string): void {
  const folder = `${pid}/task/${thread}`;
  const texts = read.both(`${folder}/stat`);
  const names = texts.map((text) => text?.slice(text.indexOf('(') + 1, text.lastIndexOf(')')));
  read.same('threads', `${thread}.Name`, [names[0], names[1]]);
  const stat = texts.map(afterName);
  for (const [name, place] of Object.entries({ State: 3, ppid: STAT.ppid, starttime: STAT.starttime }))
    read.same('threads', `${thread}.${name}`, [stat[0]?.[place - 3], stat[1]?.[place - 3]]);
  const stacks = read.both(`${folder}/stack`).map(stackText);
  if (stacks[0] !== '') read.same('kernel stacks', thread, [stacks[0], stacks[1]]);
}

function sayMemory(read: Reader): void {
  const meminfo = read.both('meminfo').map(fields);
  for (const name of meminfo[1]?.keys() ?? [])
    read.number('meminfo kB', name, [meminfo[0]?.get(name), meminfo[1]?.get(name)], FIXED.test(name) ? 0 : SLACK * 4);
  const pairs = (text: string | undefined): ReadonlyMap<string, string> =>
    new Map((text ?? '').split('\n').map((line) => line.split(' ') as [string, string]));
  const vmstat = read.both('vmstat').map(pairs);
  for (const name of vmstat[1]?.keys() ?? [])
    if (name.startsWith('nr_') && !COUNTING.test(name))
      read.number('vmstat', name, [vmstat[0]?.get(name), vmstat[1]?.get(name)], SLACK);
    else if (name !== '') read.answers.say('vmstat', name, atLeast(vmstat[1]?.get(name)));
  const zones = read.both('zoneinfo').map(zoneFields);
  for (const key of zones[1]?.keys() ?? [])
    read.number('zoneinfo', key, [zones[0]?.get(key), zones[1]?.get(key)], key.endsWith('.free') ? SLACK : 0);
  const buddies = read.both('buddyinfo').map(buddyFields);
  for (const key of buddies[1]?.keys() ?? [])
    read.number('buddyinfo', key, [buddies[0]?.get(key), buddies[1]?.get(key)], SLACK >> Number(key.split('.')[2]));
  const slabs = read.both('slabinfo').map(slabPages);
  for (const [name, pages] of slabs[1] ?? []) {
    read.answers.say('slabinfo', name, 'a cache');
    read.number('slabinfo', `${name}.pages`, [slabs[0]?.get(name), pages], SLAB_SLACK);
  }
}

/** 'dentry' -> pages: slabs, by the pages of each. */
function slabPages(text: string | undefined): ReadonlyMap<string, string> {
  const row = /^(\S+) +\d+ +\d+ +\d+ +\d+ +(\d+) : .* : slabdata +\d+ +(\d+) /gm;
  return new Map(
    [...(text ?? '').matchAll(row)].map(([, name, each, count]) => [name ?? '', String(Number(each) * Number(count))]),
  );
}

/** '0.DMA32.min' -> '509'. */
function zoneFields(text: string | undefined): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const part of (text ?? '').split(/^(?=Node )/m)) {
    const [, node, zone] = /^Node (\d+), zone +(\w+)/.exec(part) ?? [];
    if (node === undefined || zone === undefined) continue;
    const own = part.slice(part.indexOf('pages free'));
    for (const name of ['free', 'boost', 'min', 'low', 'high', 'spanned', 'present', 'managed']) {
      const value = new RegExp(`^ *(?:pages )?${name} +(\\d+)$`, 'm').exec(own)?.[1];
      if (value !== undefined) found.set(`${node}.${zone}.${name}`, value);
    }
    const start = /^ *start_pfn: +(\d+)$/m.exec(own)?.[1];
    if (start !== undefined) found.set(`${node}.${zone}.startPfn`, start);
  }
  return found;
}

/** '0.DMA32.3' -> '2': free blocks of 8 pages. */
function buddyFields(text: string | undefined): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [, node, zone, counts] of (text ?? '').matchAll(/^Node (\d+), zone +(\w+) +(.*)$/gm))
    for (const [order, count] of (counts ?? '').trim().split(/ +/).entries())
      found.set(`${node}.${zone}.${order}`, count);
  return found;
}

function saySystem(read: Reader): void {
  const version = read.both('version').map((text) => /^Linux version (\S+)/.exec(text ?? '')?.[1]);
  read.same('machine', 'release', [version[0], version[1]]);
  const [, line] = read.both('cmdline').map((text) => text?.trimEnd());
  read.answers.say('machine', 'commandLine', line);
  const [, tainted] = read.both('sys/kernel/tainted');
  read.answers.say('machine', 'tainted', tainted?.trim());
  const [, free] = read.both('sys/vm/min_free_kbytes');
  read.answers.say('machine', 'minFree', free?.trim());
  const up = read.both('uptime').map((text) => text?.split(' ')[0]);
  read.number('machine', 'uptime', [up[0], up[1]], 2);
  const loads = read.both('loadavg').map((text) => text?.split(' '));
  for (const i of [0, 1, 2]) read.number('machine', `load ${i}`, [loads[0]?.[i], loads[1]?.[i]], 0.02);
  for (const [, name, , address] of (read.both('modules')[1] ?? '').matchAll(
    /^(\S+) (\d+) .* (0x[0-9a-f]+)(?: \(\w+\))?$/gm,
  ))
    read.answers.say('loaded modules', name ?? '', address);
  for (const [, device, directory, type] of (read.both('mounts')[1] ?? '').matchAll(/^(\S+) (\S+) (\S+) /gm))
    read.answers.say('mounted', directory ?? '', `${device} ${type}`);
}
