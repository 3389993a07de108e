/**
 * Our answers in crash's terms: groups 'ps', 'open files', 'kmem -i', 'log lines', 'sys', derived from those that we
 * gave already, so that nothing is read twice in two ways.
 */
import { nanoseconds } from '../../src/base/units.ts';
import type { Answers } from '../answers.ts';

/** Two letters of crash by the letter that the kernel reports. */
const STATES: Readonly<Record<string, string>> = {
  R: 'RU',
  S: 'IN',
  D: 'UN',
  I: 'ID',
  T: 'ST',
  t: 'TR',
  Z: 'ZO',
  X: 'DE',
  P: 'PA',
};
const PAGE = 4096;

const text = (answers: Answers, group: string, key: string): string | undefined => {
  const answer = answers.get(group, key);
  return typeof answer === 'string' ? answer : undefined;
};
const number = (answers: Answers, group: string, key: string): number => Number(text(answers, group, key));

/** Adds what crash is compared with. */
export function sayForCrash(answers: Answers): void {
  for (const key of answers.group('tasks').keys()) {
    const task = key.slice(0, key.indexOf('.'));
    if (!key.endsWith('.pid')) continue;
    sayPs(answers, task);
  }
  for (const [key, value] of answers.group('files')) {
    if (/\.(file|inode|path)$/.test(key)) answers.say('open files', key, value);
  }
  sayKmem(answers);
  sayLogLines(answers);
  sayForSys(answers);
}

function sayPs(answers: Answers, task: string): void {
  const field = (name: string): string | undefined => text(answers, 'tasks', `${task}.${name}`);
  const say = (name: string, value: string | number | undefined): void => answers.say('ps', `${task}.${name}`, value);
  const parent = field('parent') ?? '';
  say('pid', field('pid'));
  say('ppid', text(answers, 'tasks', `${parent}.tgid`));
  for (const name of ['cpu', 'running', 'comm', 'lastArrival', 'startTime', 'utime', 'stime']) say(name, field(name));
  say('state', STATES[field('state') ?? '']);
  const mm = field('mm') ?? '';
  const none = mm === '0x0000000000000000';
  say('vsz', none ? 0 : (number(answers, 'rss', `${mm}.totalVm`) * PAGE) / 1024);
  say('rss', none ? 0 : (number(answers, 'rss', `${mm}.total`) * PAGE) / 1024);
}

function sayKmem(answers: Answers): void {
  const pages = (name: string): number => number(answers, 'meminfo', name) / PAGE;
  const total = pages('memTotal');
  const say = (name: string, value: number): void => answers.say('kmem -i', name, value);
  say('TOTAL MEM', total);
  say('FREE', pages('memFree'));
  say('USED', total - pages('memFree'));
  say('BUFFERS', pages('buffers'));
  say('CACHED', pages('cached'));
  say('SLAB', pages('slab'));
  say('TOTAL HUGE', pages('hugetlb'));
  say('TOTAL SWAP', pages('swapTotal'));
  say('SWAP USED', pages('swapTotal') - pages('swapFree'));
  say('SWAP FREE', pages('swapFree'));
  say('COMMIT LIMIT', pages('commitLimit'));
  say('COMMITTED', pages('committedAs'));
}

/** A record as `log` prints it: each of its lines below the other, with the time before the first. */
function sayLogLines(answers: Answers): void {
  let line = 0;
  for (const record of answers.group('log').values()) {
    if (typeof record !== 'string') continue;
    const [, time = '0', message = ''] =
      /^(\d+) \d+ \d+ (?:\w+ \d+|none) (?:cont )?(?:<device .*?> )?([^]*)$/.exec(record) ?? [];
    const microseconds = BigInt(time) / 1000n;
    const stamp = `[${String(microseconds / 1_000_000n).padStart(5)}.${String(microseconds % 1_000_000n).padStart(6, '0')}] `;
    for (const [i, part] of message.split('\n').entries())
      answers.say('log lines', String(line++), (i === 0 ? stamp : ' '.repeat(stamp.length)) + part);
  }
}

function sayForSys(answers: Answers): void {
  const of = (name: string): string => text(answers, 'system', name) ?? '';
  const seconds = Number(nanoseconds(BigInt(of('boottime') === 'unreadable' ? '0' : of('boottime'))) / 1_000_000_000n);
  const part = (value: number): string => String(Math.trunc(value)).padStart(2, '0');
  const days = Math.trunc(seconds / 86_400);
  const clock = `${part((seconds / 3600) % 24)}:${part((seconds / 60) % 60)}:${part(seconds % 60)}`;
  answers.say('sys', 'uptime', days > 0 ? `${days} days, ${clock}` : clock);
  answers.say('sys', 'cpus', of('cpus.online').split(' ').length);
  for (const name of ['nodename', 'release', 'version', 'loadAverages']) answers.say('sys', name, of(name));
  const tasks = [...answers.group('tasks').keys()].filter((key) => key.endsWith('.pid')).length;
  answers.say('sys', 'tasks', tasks);
  const real = of('realtime');
  if (real !== 'unreadable') answers.say('sys', 'date', dateOf(Number(BigInt(real) / 1_000_000n)));
}

/** 'Mon Nov 23 02:40:20 UTC 2026' */
function dateOf(milliseconds: number): string {
  const [weekday, day, month, year, time] = new Date(milliseconds).toUTCString().replace(',', '').split(' ');
  return `${weekday} ${month} ${(day ?? '').replace(/^0/, ' ')} ${time} UTC ${year}`;
}
