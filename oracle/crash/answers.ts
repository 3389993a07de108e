/**
 * What crash answers about one dump: one session whose output is cut at markers, one parser for each command. crash has
 * no output for programs, so these read its columns.
 */
import { Answers } from '../answers.ts';
import type { Peers } from '../peers.ts';

const COMMANDS = ['sys', 'ps', 'ps -l', 'ps -t', 'kmem -i', 'kmem -z', 'kmem -V', 'kmem -s', 'mod', 'mount'] as const;
const LONG = ['foreach bt', 'foreach files', 'log'] as const;
type Command = (typeof COMMANDS)[number] | (typeof LONG)[number];

const MARK = '@@@ kwhy ';

/** What crash is asked. */
export function crashInput(): string {
  const script = [...COMMANDS, ...LONG].flatMap((command) => [`!echo "${MARK}${command}"`, command]);
  return ['set scroll off', ...script, 'quit', ''].join('\n');
}

/** Runs crash on a dump and returns the whole session. @throws PeerError */
export function runCrash(peers: Peers, dump: string, vmlinux: string): string {
  return peers.run(['crash', '-s', peers.inside(vmlinux), peers.dump(dump)], dump, crashInput());
}

/** The output of each command of a session. */
export function cut(session: string): ReadonlyMap<string, string> {
  const parts = session.split(new RegExp(`^.*${MARK}`, 'm')).slice(1);
  return new Map(
    parts.map((part) => [part.slice(0, part.indexOf('\n')).trim(), part.slice(part.indexOf('\n') + 1)] as const),
  );
}

const hexa = (digits: string): string => `0x${digits.padStart(16, '0')}`;

/** Rows of a table that match a pattern. */
function rows(text: string | undefined, pattern: RegExp): RegExpExecArray[] {
  return (text ?? '').split('\n').flatMap((line) => {
    const match = pattern.exec(line);
    return match === null ? [] : [match];
  });
}

/** Parts of a `foreach` or `ps -t`: task address and the lines below it. */
function* perTask(text: string | undefined): Generator<readonly [string, readonly string[]]> {
  for (const part of (text ?? '').split(/^(?=PID: )/m)) {
    const task = /^PID: \S+ +TASK: ([0-9a-f]{16})/.exec(part)?.[1];
    if (task !== undefined) yield [hexa(task), part.split('\n').slice(1)];
  }
}

/** All answers of a session. */
export function crashAnswers(session: string): Answers {
  const output = cut(session);
  const get = (command: Command): string | undefined => output.get(command);
  const answers = new Answers();
  sayTasks(answers, get('ps'), get('ps -l'), get('ps -t'));
  sayStacks(answers, get('foreach bt'));
  sayFiles(answers, get('foreach files'));
  sayMemory(answers, get('kmem -i'), get('kmem -z'), get('kmem -V'));
  sayLists(answers, get('mod'), get('mount'), get('kmem -s'));
  saySystem(answers, get('sys'));
  (get('log') ?? '').split('\n').forEach((line, i, lines) => {
    // The last is the empty one behind the last line end.
    if (i < lines.length - 1) answers.say('log lines', String(i), line);
  });
  return answers;
}

function sayTasks(answers: Answers, ps: string | undefined, last: string | undefined, times: string | undefined): void {
  const row = /^(.) +(\d+) +(\d+) +(\d+) +([0-9a-f]{16}) +(\S\S) +[\d.]+ +(\d+) +(\d+) +(.*)$/;
  for (const [, mark, pid, ppid, cpu, task = '', state, vsz, rss, comm = ''] of rows(ps, row)) {
    const say = (name: string, value: string | undefined): void => answers.say('ps', `${hexa(task)}.${name}`, value);
    say('pid', pid);
    say('ppid', ppid);
    say('cpu', cpu);
    say('state', state);
    say('running', mark === '>' ? 'yes' : 'no');
    say('vsz', vsz);
    say('rss', rss);
    say('comm', comm.replace(/^\[(.*)\]$/, '$1'));
  }
  for (const [, stamp = '', task = ''] of rows(last, /^\[ *(\d+)\] \[\S\S\] +PID: \d+ +TASK: ([0-9a-f]{16})/))
    answers.say('ps', `${hexa(task)}.lastArrival`, stamp);
  for (const [task, lines] of perTask(times)) {
    const text = lines.join('\n');
    for (const [name, label] of [
      ['startTime', 'START TIME'],
      ['utime', 'UTIME'],
      ['stime', 'STIME'],
    ] as const)
      answers.say('ps', `${task}.${name}`, new RegExp(`${label}: (\\d+)`).exec(text)?.[1]);
  }
}

function sayStacks(answers: Answers, text: string | undefined): void {
  for (const [task, lines] of perTask(text)) {
    const frames = lines.flatMap((line) => {
      const match = /^ *#\d+ \[[0-9a-f]{16}\] (\S+) at ([0-9a-f]{16})/.exec(line);
      return match?.[1] === undefined || match[2] === undefined ? [] : [{ name: match[1], pc: hexa(match[2]) }];
    });
    // Where an exception cut a function, crash tells it beside the frames, and not as one.
    answers.say('stacks', task, frames.map(({ pc }) => pc).join(' '));
    for (const { name, pc } of frames) answers.say('functions', pc, name);
  }
}

function sayFiles(answers: Answers, text: string | undefined): void {
  for (const [task, lines] of perTask(text)) {
    const [, root, cwd] = /^ROOT: (\S*) +CWD: (\S*)/.exec(lines.find((line) => line.startsWith('ROOT:')) ?? '') ?? [];
    answers.say('directories', `${task}.root`, root);
    answers.say('directories', `${task}.cwd`, cwd);
    const row = /^ *(\d+) ([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{16}) (\S*) *(.*)$/;
    for (const [, fd, file = '', , inode = '', , path] of rows(lines.join('\n'), row)) {
      answers.say('open files', `${task}.${fd}.file`, hexa(file));
      answers.say('open files', `${task}.${fd}.inode`, hexa(inode));
      answers.say('open files', `${task}.${fd}.path`, path?.trim());
    }
  }
}

function sayMemory(
  answers: Answers,
  info: string | undefined,
  zones: string | undefined,
  counters: string | undefined,
): void {
  for (const [, name = '', pages] of rows(info, /^ *([A-Z][A-Z ]+[A-Z]) +(\d+) /)) answers.say('kmem -i', name, pages);
  for (const part of (zones ?? '').split(/^(?=NODE: )/m)) {
    const [, node, address, name] = /^NODE: (\d+) +ZONE: \d+ +ADDR: ([0-9a-f]+) +NAME: "(\w+)"/.exec(part) ?? [];
    if (node === undefined || address === undefined || name === undefined) continue;
    const say = (field: string, value: string | undefined): void =>
      answers.say('zones', `${node}.${name}.${field}`, value);
    say('address', hexa(address));
    const size = part.includes('[unpopulated]') ? '0' : /SIZE: (\d+)/.exec(part)?.[1];
    say('spanned', size);
    // Without holes it is not printed.
    if (size !== '0') say('present', /PRESENT: (\d+)/.exec(part)?.[1] ?? size);
    const [, min, low, high] = /MIN\/LOW\/HIGH: (\d+)\/(\d+)\/(\d+)/.exec(part) ?? [];
    say('min', min);
    say('low', low);
    say('high', high);
    for (const [, counter, value] of rows(part, /^ *(NR_\w+): (-?\d+)$/)) say(`${counter}.folded`, value);
  }
  const global = /VM_ZONE_STAT:[^]*?VM_NODE_STAT:[^]*?\n\n/.exec(`${counters ?? ''}\n\n`)?.[0];
  for (const [, name, value] of rows(global, /^ *([A-Z]\w+): (-?\d+)$/))
    answers.say('counters', `${name}.folded`, value);
  const events = (counters ?? '').split('VM_EVENT_STATES:')[1];
  for (const [, name = '', value] of rows(events, /^ *([A-Z]\w+): (\d+)$/)) answers.say('events', name, value);
}

function sayLists(
  answers: Answers,
  modules: string | undefined,
  mounts: string | undefined,
  slabs: string | undefined,
): void {
  for (const [, address = '', name] of rows(modules, /^([0-9a-f]{16}) +(\S+) +[0-9a-f]{16} +\d+ /))
    answers.say('modules', `${name}.address`, hexa(address));
  const row = /^([0-9a-f]{16}) ([0-9a-f]{16}) (\S+) +(\S+) +(\S*)/;
  for (const [, mount = '', sb = '', type, device, directory] of rows(mounts, row)) {
    const at = hexa(mount);
    answers.say('mounts', `${at}.superBlock`, hexa(sb));
    answers.say('mounts', `${at}.type`, type);
    answers.say('mounts', `${at}.device`, device);
    answers.say('mounts', `${at}.directory`, directory);
  }
  const slab = /^([0-9a-f]{16}) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)k +(\S+)$/;
  for (const [, cache = '', size, , , count, kilobytes, name] of rows(slabs, slab)) {
    answers.say('slab caches', hexa(cache), name);
    answers.say('slab usage', `${hexa(cache)}.objectSize`, size);
    answers.say('slab usage', `${hexa(cache)}.pages`, (Number(count) * Number(kilobytes)) / 4);
  }
}

function saySystem(answers: Answers, text: string | undefined): void {
  const field = (label: string): string | undefined =>
    new RegExp(`^ *${label}: (.*)$`, 'm').exec(text ?? '')?.[1]?.trim();
  answers.say('sys', 'cpus', field('CPUS')?.split(' ')[0]);
  answers.say('sys', 'uptime', field('UPTIME'));
  answers.say('sys', 'loadAverages', field('LOAD AVERAGE')?.replaceAll(',', ''));
  answers.say('sys', 'tasks', field('TASKS'));
  for (const name of ['nodename', 'release', 'version']) answers.say('sys', name, field(name.toUpperCase()));
  answers.say('sys', 'date', field('DATE'));
}
