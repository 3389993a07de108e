import { expect, it } from 'vitest';
import { allocationFailures } from './allocation-failure.ts';
import type { LogRecord } from './log-record.ts';

function log(text: string): readonly LogRecord[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => ({
      seq: undefined,
      timeNs: undefined,
      level: 4,
      facility: 0,
      caller: undefined,
      continuation: false,
      device: undefined,
      text: line.replace(/^ {4}/, ''),
    }));
}

it('2.6.32: a network card that asked in an interrupt', () => {
  const [failure, ...more] = allocationFailures(
    log(`
    swapper: page allocation failure. order:1, mode:0x20
    Pid: 0, comm: swapper Not tainted 2.6.32-431.el6.x86_64 #1
    Call Trace:
     <IRQ>  [<ffffffff8112f9e7>] ? __alloc_pages_nodemask+0x757/0x8d0
     [<ffffffff8116e2d2>] kmem_getpages+0x62/0x170
     [<ffffffff8144c0ba>] __alloc_skb+0x7a/0x180
     <EOI>  [<ffffffff8103eacb>] ? native_safe_halt+0xb/0x10
    Mem-Info:
    active_anon:1 inactive_anon:2
    Node 0 Normal free:1024kB min:2048kB low:2560kB high:3072kB`),
  );
  expect(more).toEqual([]);
  expect(failure).toMatchObject({ comm: 'swapper', order: 1, gfpMask: 0x20, atomic: true, stalledMs: undefined });
  expect(failure?.stack).toEqual(['kmem_getpages', '__alloc_skb']);
  expect(failure?.memory?.zones[0]?.kilobytes.get('free')).toBe(1024);
});

it('3.10: it could wait', () => {
  const [failure] = allocationFailures(log('    kworker/0:1: page allocation failure: order:4, mode:0xd0'));
  expect(failure).toMatchObject({ comm: 'kworker/0:1', order: 4, atomic: false, memory: undefined, stack: [] });
});

it('today: the names of the mask say whether it could wait', () => {
  const one = (mode: string) =>
    allocationFailures(
      log(`    ksoftirqd/0: page allocation failure: order:0, mode:${mode},nodemask=(null),cpuset=/`),
    )[0];
  expect(one('0x40820(GFP_ATOMIC|__GFP_COMP)')?.atomic).toBe(true);
  expect(one('0xcc0(GFP_KERNEL)')?.atomic).toBe(false);
  expect(one('0x2800(GFP_NOWAIT|__GFP_NOWARN)')?.atomic).toBe(true);
});

it('4.12: a stall is no failure, and says how long', () => {
  const [failure] = allocationFailures(
    log('    cc1: page allocation stalls for 10000ms, order:0, mode:0x14201ca(GFP_HIGHUSER_MOVABLE), nodemask=(null)'),
  );
  expect(failure).toMatchObject({ comm: 'cc1', stalledMs: 10000, atomic: false });
});

it('two that follow each other are two; SLUB and user space are none', () => {
  const text = `
    a: page allocation failure: order:0, mode:0x20
    b: page allocation failure: order:0, mode:0x20
    SLUB: Unable to allocate memory on node -1, gfp=0x20(GFP_ATOMIC)`;
  expect(allocationFailures(log(text)).map(({ comm }) => comm)).toEqual(['a', 'b']);
  expect(allocationFailures(log(text).map((record) => ({ ...record, facility: 3 })))).toEqual([]);
});
