/**
 * What our helpers answer about the machine: its name and clocks, the log, memory counters, zones, lists of the kernel.
 */
import { compare, hex } from '../../src/base/address.ts';
import { attempt } from '../../src/base/errors.ts';
import { cpus } from '../../src/kernel/cpus.ts';
import { descriptorTable, readFile } from '../../src/kernel/files.ts';
import type { Known } from '../../src/kernel/known.ts';
import { loadAverages } from '../../src/kernel/loadavg.ts';
import { meminfo } from '../../src/kernel/meminfo.ts';
import { mountsOf } from '../../src/kernel/mount.ts';
import { readLog } from '../../src/kernel/printk.ts';
import type { TaskList } from '../../src/kernel/sched.ts';
import { slabUsage } from '../../src/kernel/slab-usage.ts';
import { slabCaches } from '../../src/kernel/slab.ts';
import { taint } from '../../src/kernel/taint.ts';
import { timekeeping } from '../../src/kernel/timekeeping.ts';
import { commandLine, utsName } from '../../src/kernel/uts.ts';
import { vmCounters, vmEvents, zoneCounters } from '../../src/kernel/vmstat.ts';
import { freeBlocks, zones } from '../../src/kernel/zone.ts';
import type { ModuleRange } from '../../src/program/modules.ts';
import type { Program } from '../../src/program/program.ts';
import { type Answers, UNREADABLE } from '../answers.ts';

const PAGE = 4096;

export function saySystem(program: Program, { expected }: TaskList, answers: Answers): void {
  const say = (name: string, value: string | number | bigint | undefined): void => answers.say('system', name, value);
  const uts = utsName(program);
  for (const name of ['sysname', 'nodename', 'release', 'version', 'machine'] as const) say(name, uts[name]);
  say('commandLine', commandLine(program).value ?? UNREADABLE);
  for (const which of ['online', 'possible', 'present'] as const) say(`cpus.${which}`, cpus(program, which).join(' '));
  const loads = loadAverages(program).map((load) => load.toFixed(2));
  say('loadAverages', loads.join(' '));
  say('tainted', taint(program).mask);
  const { jiffies, uptime, realtime, hz } = timekeeping(program);
  say('jiffies', jiffies.value ?? UNREADABLE);
  say('hz', hz.value ?? UNREADABLE);
  say('monotonic', uptime.monotonic.value ?? UNREADABLE);
  say('boottime', uptime.boottime.value ?? UNREADABLE);
  say('realtime', realtime.value ?? UNREADABLE);
  say('threads', expected ?? UNREADABLE);
}

export function sayLog(program: Program, answers: Answers): void {
  for (const record of readLog(program).records) {
    const { seq, timeNs, level, facility, caller, continuation, device, text } = record;
    const by = caller === undefined ? 'none' : `${caller.kind} ${caller.id}`;
    const about = device === undefined ? '' : `<device ${device.subsystem} ${device.device}> `;
    const head = `${timeNs} ${level} ${facility} ${by} ${continuation ? 'cont ' : ''}${about}`;
    answers.say('log', String(seq), head + text);
  }
}

export function sayMemory(program: Program, answers: Answers): void {
  for (const [name, { value, folded }] of vmCounters(program)) {
    answers.say('counters', name, value);
    answers.say('counters', `${name}.folded`, folded);
  }
  for (const [name, value] of vmEvents(program)) answers.say('events', name, value);
  for (const [name, { value }] of Object.entries<Known<number>>({ ...meminfo(program) }))
    answers.say('meminfo', name, value ?? UNREADABLE);
  // What crash reads of it: the part that no CPU has for itself.
  const committed = attempt(() =>
    program.field('struct percpu_counter', 'count').value(program.symbol('vm_committed_as').address),
  );
  answers.say('meminfo', 'committedAs.count', committed === undefined ? UNREADABLE : committed * BigInt(PAGE));
  for (const zone of zones(program)) {
    const at = `${zone.node}.${zone.name}`;
    const say = (name: string, value: string | number | undefined): void =>
      answers.say('zones', `${at}.${name}`, value);
    say('address', hex(zone.address));
    for (const name of ['startPfn', 'spanned', 'present', 'managed', 'reservedHighatomic'] as const)
      say(name, zone[name]);
    for (const name of ['min', 'low', 'high', 'boost'] as const) say(name, zone.watermark[name]);
    say('lowmemReserve', zone.lowmemReserve.join(' '));
    say('freeBlocks', freeBlocks(program, zone.address).join(' '));
    for (const [name, { folded }] of zoneCounters(program, zone.address)) say(`${name}.folded`, folded);
  }
}

export function sayFiles(program: Program, { tasks }: TaskList, answers: Answers): void {
  for (const task of tasks) {
    if (task.idle) continue;
    const table = attempt(() => descriptorTable(program, task.address));
    for (const fd of table?.reserved ?? []) answers.say('files', `${hex(task.address)}.${fd}.reserved`, true);
    for (const { fd, file } of table?.descriptors ?? []) {
      const say = (name: string, value: string | number | bigint | undefined): void =>
        answers.say('files', `${hex(task.address)}.${fd}.${name}`, value);
      const read = attempt(() => readFile(program, file));
      say('file', hex(file));
      say('path', read?.path?.text ?? UNREADABLE);
      say('inode', read?.inode === undefined ? UNREADABLE : hex(read.inode));
      say('operations', read === undefined ? UNREADABLE : (read.operationsName ?? 'unnamed'));
      say('flags', read?.flags ?? UNREADABLE);
      say('position', read?.position ?? UNREADABLE);
      say('privateData', read === undefined ? UNREADABLE : hex(read.privateData));
      say('count', read?.count ?? UNREADABLE);
    }
  }
}

export function sayLists(program: Program, answers: Answers): void {
  for (const { mount, device, directory, fsType, superBlock } of mountsOf(program).mounts) {
    const say = (name: string, value: string | undefined): void =>
      answers.say('mounts', `${hex(mount)}.${name}`, value ?? '');
    say('device', device);
    say('directory', directory);
    say('type', fsType);
    say('superBlock', hex(superBlock));
  }
  for (const { name, address, ranges } of program.modules.modules) {
    answers.say('modules', `${name}.address`, hex(address));
    answers.say('modules', `${name}.ranges`, merged(ranges));
    const text = ranges.find((range) => range.text);
    answers.say('module text', name, text === undefined ? undefined : hex(text.start));
  }
  for (const [cache, name] of slabCaches(program)) answers.say('slab caches', hex(cache), name);
  for (const { cache, objectSize, bytes } of slabUsage(program).caches) {
    answers.say('slab usage', `${hex(cache)}.objectSize`, objectSize);
    answers.say('slab usage', `${hex(cache)}.pages`, bytes / program.pageSize);
  }
}

/** Ranges without the empty ones, and those that touch as one. */
function merged(ranges: readonly ModuleRange[]): string {
  const out: { readonly start: bigint; end: bigint }[] = [];
  for (const { start, size } of [...ranges].sort((a, b) => compare(a.start, b.start))) {
    const last = out.at(-1);
    if (size === 0) continue;
    if (last?.end === start) last.end += BigInt(size);
    else out.push({ start, end: start + BigInt(size) });
  }
  return out.map(({ start, end }) => `${hex(start)}-${hex(end)}`).join(' ');
}
