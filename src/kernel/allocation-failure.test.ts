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
  expect(failure).toMatchObject({ pid: 0, inInterrupt: true });
  expect(failure?.memory?.zones[0]?.kilobytes.get('free')).toBe(1024);
});

it('3.10: it could wait', () => {
  const [failure] = allocationFailures(log('    kworker/0:1: page allocation failure: order:4, mode:0xd0'));
  expect(failure).toMatchObject({
    comm: 'kworker/0:1',
    order: 4,
    atomic: false,
    memory: undefined,
    stack: [],
    pid: undefined,
  });
});

it('3.10: a network card, as el7 prints it', () => {
  const [failure, ...more] = allocationFailures(
    log(`
    swapper/3: page allocation failure: order:2, mode:0x104020
    CPU: 3 PID: 0 Comm: swapper/3 Kdump: loaded Not tainted 3.10.0-957.el7.x86_64 #1
    Hardware name: Red Hat KVM, BIOS 0.5.1 01/01/2011
    Call Trace:
     <IRQ>  [<ffffffff8b361dc1>] dump_stack+0x19/0x1b
     [<ffffffff8adbbd60>] warn_alloc_failed+0x110/0x180
     [<ffffffff8adc0a0f>] __alloc_pages_nodemask+0x9df/0xbe0
     [<ffffffffc0269a4b>] virtnet_poll+0x51b/0x7d0 [virtio_net]
     <EOI>  [<ffffffff8ac35a3e>] ? default_idle+0x1e/0xc0
    Mem-Info:
    active_anon:10 inactive_anon:20 isolated_anon:0
     slab_reclaimable:7 slab_unreclaimable:9
     free:1234 free_pcp:30 free_cma:0
    Node 0 DMA32 free:900kB min:4416kB low:5520kB high:6624kB managed:100kB all_unreclaimable? no
    lowmem_reserve[]: 0 0 15608 15608
    Node 0 Normal free:4000kB min:44300kB low:55372kB high:66448kB managed:200kB
    Node 0 DMA32: 225*4kB (UEM) 0*8kB 0*16kB = 900kB
    2880 total pagecache pages
    Free swap  = 100kB
    Total swap = 200kB
    4194174 pages RAM`),
  );
  expect(more).toEqual([]);
  expect(failure).toMatchObject({ comm: 'swapper/3', order: 2, gfpMask: 0x104020, gfpFlags: undefined, atomic: true });
  expect(failure?.stack).toEqual(['dump_stack', 'warn_alloc_failed', '__alloc_pages_nodemask', 'virtnet_poll']);
  expect(failure).toMatchObject({ pid: 0, inInterrupt: true, modules: new Map([['virtnet_poll', 'virtio_net']]) });
  const { pages, zones, swapFree, swapTotal, ram } = failure?.memory ?? {};
  expect(['inactive_anon', 'slab_unreclaimable', 'free', 'free_cma'].map((name) => pages?.get(name))).toEqual([
    20, 9, 1234, 0,
  ]);
  expect(
    zones?.map(({ node, name, kilobytes, freeBlocks, lowmemReserve }) => [
      node,
      name,
      kilobytes.get('free'),
      kilobytes.get('min'),
      kilobytes.get('managed'),
      freeBlocks.length,
      lowmemReserve,
    ]),
  ).toEqual([
    [0, 'DMA32', 900, 4416, 100, 3, 15608],
    [0, 'Normal', 4000, 44300, 200, 0, 0],
  ]);
  expect([swapFree, swapTotal, ram]).toEqual([100, 200, 4194174]);
});

it('4.18: names of the mask, the nodes in the first line, the cpuset in the next', () => {
  const [failure] = allocationFailures(
    log(`
    ksoftirqd/1: page allocation failure: order:0, mode:0x484020(GFP_ATOMIC|__GFP_COMP), nodemask=(null)
    ksoftirqd/1 cpuset=/ mems_allowed=0
    CPU: 1 PID: 16 Comm: ksoftirqd/1 Not tainted 4.18.0-553.el8.x86_64 #1
    Call Trace:
     dump_stack+0x41/0x60
     warn_alloc.cold.120+0x7b/0x107
     ? __switch_to_asm+0x51/0x80
     new_slab+0x3a1/0x5e0
    Mem-Info:
    active_anon:4 inactive_anon:5 isolated_anon:0
     free:77 free_pcp:1 free_cma:0
    Node 0 active_anon:16kB inactive_anon:20kB all_unreclaimable? no
    Node 0 Normal free:308kB min:2088kB low:2608kB high:3128kB present:4kB managed:3kB`),
  );
  expect(failure).toMatchObject({
    comm: 'ksoftirqd/1',
    order: 0,
    gfpMask: 0x484020,
    gfpFlags: 'GFP_ATOMIC|__GFP_COMP',
    atomic: true,
    stalledMs: undefined,
    pid: 16,
    inInterrupt: false,
    stack: ['dump_stack', 'warn_alloc.cold.120', 'new_slab'],
  });
  expect(failure?.memory?.pages.get('free')).toBe(77);
  expect(failure?.memory?.zones.map(({ name, kilobytes }) => [name, kilobytes.get('min')])).toEqual([['Normal', 2088]]);
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
