import { expect, it } from 'vitest';
import { nanoseconds } from '../base/units.ts';
import type { LogCaller, LogRecord } from './log-record.ts';
import { oomReports } from './oom-report.ts';

const PAGE = 4096;

/** Records of the kernel, one for each line; a line 'T12| text' was printed by the task 12. */
function log(text: string): readonly LogRecord[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, i) => {
      const by = /^\s*T(\d+)\| ?/.exec(line);
      const caller: LogCaller | undefined = by === null ? undefined : { kind: 'task', id: Number(by[1]) };
      return {
        seq: BigInt(i),
        timeNs: nanoseconds(BigInt(i)),
        level: 4,
        facility: 0,
        caller,
        continuation: false,
        device: undefined,
        text: by === null ? line.replace(/^ {4}/, '') : line.slice(by[0].length),
      };
    });
}

/** The texts of mm/oom_kill.c of 2.6.32 as RHEL 6 has them: oom_adj beside oom_score_adj, a comma before UID. */
const EL6 = `
    mysqld invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0, oom_score_adj=0
    mysqld cpuset=/ mems_allowed=0
    Pid: 2592, comm: mysqld Not tainted 2.6.32-431.el6.x86_64 #1
    Call Trace:
     [<ffffffff810d05b1>] ? cpuset_print_task_mems_allowed+0x91/0xb0
     [<ffffffff81122960>] ? dump_header+0x90/0x1b0
    Mem-Info:
    Node 0 DMA per-cpu:
    CPU    0: hi:    0, btch:   1 usd:   0
    active_anon:237861 inactive_anon:49 isolated_anon:0
     active_file:24 inactive_file:35 isolated_file:0
     free:13259 slab_reclaimable:1800 slab_unreclaimable:3400
    Node 0 DMA free:15724kB min:248kB low:308kB high:372kB active_anon:0kB present:15332kB pages_scanned:0 all_unreclaimable? yes
    lowmem_reserve[]: 0 3000 4010 4010
    Node 0 DMA: 1*4kB 1*8kB 0*16kB 1*32kB 1*64kB 0*128kB 1*256kB 0*512kB 1*1024kB 1*2048kB 3*4096kB = 15724kB
    1000 total pagecache pages
    0 pages in swap cache
    Free swap  = 0kB
    Total swap = 524280kB
    1048575 pages RAM
    67489 pages reserved
    [ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name
    [  493]     0   493     2662      106   1     -17         -1000 udevd
    [ 2592]    27  2592   957218   237012   0       0             0 mysqld
    Out of memory: Kill process 2592 (mysqld) score 875 or sacrifice child
    Killed process 2592, UID 27, (mysqld) total-vm:3828872kB, anon-rss:947996kB, file-rss:52kB
`;

it('2.6.32: oom_adj, the pid in a line of its own, scores', () => {
  const [report, ...more] = oomReports(log(EL6), PAGE);
  expect(more).toEqual([]);
  expect(report).toMatchObject({
    invoker: {
      comm: 'mysqld',
      pid: 2592,
      gfpMask: 0x201da,
      gfpFlags: undefined,
      order: 0,
      oomAdj: 0,
      scoreAdj: 0,
      cpuset: '/',
      memsAllowed: '0',
      nodemask: undefined,
    },
    constraint: undefined,
    memcg: undefined,
    badRows: 0,
    outcome: 'killed',
  });
  const rest = { rssAnon: undefined, rssFile: undefined, rssShmem: undefined, pageTableBytes: undefined };
  expect(report?.table).toEqual([
    {
      pid: 493,
      uid: 0,
      tgid: 493,
      totalVm: 2662,
      rss: 106,
      ...rest,
      swapEntries: undefined,
      oomAdj: -17,
      scoreAdj: -1000,
      comm: 'udevd',
    },
    {
      pid: 2592,
      uid: 27,
      tgid: 2592,
      totalVm: 957218,
      rss: 237012,
      ...rest,
      swapEntries: undefined,
      oomAdj: 0,
      scoreAdj: 0,
      comm: 'mysqld',
    },
  ]);
  expect(report?.victims).toEqual([
    {
      pid: 2592,
      comm: 'mysqld',
      score: 875,
      totalVm: 3828872,
      anonRss: 947996,
      fileRss: 52,
      shmemRss: undefined,
      uid: 27,
      pageTables: undefined,
      scoreAdj: undefined,
      reaped: undefined,
    },
  ]);
  const memory = report?.memory;
  expect(memory?.pages.get('active_anon')).toBe(237861);
  expect(memory?.pages.get('free')).toBe(13259);
  expect([memory?.swapFree, memory?.swapTotal, memory?.ram]).toEqual([0, 524280, 1048575]);
  const [zone] = memory?.zones ?? [];
  expect([zone?.name, zone?.kilobytes.get('min'), zone?.lowmemReserve, zone?.freeBlocks]).toEqual([
    'DMA',
    248,
    4010,
    [1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 3],
  ]);
});

/** 2.6.32 as kernel.org has it: oom_adj alone, other words of who is killed. */
const VANILLA = `
    apache2 invoked oom-killer: gfp_mask=0x280da, order=0, oom_adj=-3
    apache2 cpuset=web mems_allowed=0-1
    Pid: 901, comm: apache2 Not tainted 2.6.32 #1
    Mem-Info:
    Node 0 Normal free:3564kB min:3560kB low:4448kB high:5340kB
    [ pid ]   uid  tgid total_vm      rss cpu oom_adj name
    [  901]    33   901    81000    40000   1      -3 apache2
    [  902]    33   902    81000    39000   0       0 apache2
    Out of memory: kill process 901 (apache2) score 81000 or a child
    Killed process 902 (apache2) vsz:324000kB, anon-rss:155000kB, file-rss:1000kB
`;

it('2.6.32 of kernel.org: no oom_score_adj, a child in its place', () => {
  const [report] = oomReports(log(VANILLA), PAGE);
  expect(report?.invoker).toMatchObject({
    comm: 'apache2',
    pid: 901,
    gfpMask: 0x280da,
    oomAdj: -3,
    scoreAdj: undefined,
    cpuset: 'web',
    memsAllowed: '0-1',
  });
  expect(report?.table?.map(({ pid, rss, oomAdj, scoreAdj }) => [pid, rss, oomAdj, scoreAdj])).toEqual([
    [901, 40000, -3, undefined],
    [902, 39000, 0, undefined],
  ]);
  expect(report?.victims).toMatchObject([
    { pid: 902, score: undefined, totalVm: 324000, anonRss: 155000, fileRss: 1000 },
  ]);
});

/** 3.10: page tables as counts, a memory cgroup at its limit, a child killed in its parent's place. */
const EL7_MEMCG = `
    java invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0
    java cpuset=/ mems_allowed=0
    CPU: 1 PID: 2345 Comm: java Not tainted 3.10.0-1160.el7.x86_64 #1
    Task in /docker/ab killed as a result of limit of /docker
    memory: usage 1048576kB, limit 1048576kB, failcnt 1234
    memory+swap: usage 1048576kB, limit 9007199254740988kB, failcnt 0
    kmem: usage 0kB, limit 9007199254740988kB, failcnt 0
    Memory cgroup stats for /docker: cache:0KB rss:1048576KB
    [ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name
    [ 2345]  1000  2345   700000   262000     600       66             0 java
    [ 2400]  1000  2400     1000       80       7        0             0 a )b( [c]
    Memory cgroup out of memory: Kill process 2345 (java) score 911 or sacrifice child
    Killed process 2400 (a )b( [c]) total-vm:4000kB, anon-rss:320kB, file-rss:0kB
`;

it('3.10: a memory cgroup, and a child that is killed instead', () => {
  const [report] = oomReports(log(EL7_MEMCG), PAGE);
  expect(report).toMatchObject({
    constraint: 'MEMCG',
    memcg: { path: '/docker', taskPath: '/docker/ab', usage: 1048576, limit: 1048576, failCount: 1234 },
    memory: undefined,
    victims: [{ pid: 2400, comm: 'a )b( [c]', score: undefined, totalVm: 4000, anonRss: 320, fileRss: 0 }],
  });
  expect(report?.invoker).toMatchObject({
    pid: 2345,
    gfpMask: 0xd0,
    order: 0,
    scoreAdj: 0,
    cpuset: '/',
    memsAllowed: '0',
  });
  expect(report?.memcg?.others).toEqual(
    new Map([
      ['memory+swap', { usage: 1048576, limit: 9007199254740988, failCount: 0 }],
      ['kmem', { usage: 0, limit: 9007199254740988, failCount: 0 }],
    ]),
  );
  expect(report?.table?.map(({ uid, tgid, totalVm, rss, scoreAdj }) => [uid, tgid, totalVm, rss, scoreAdj])).toEqual([
    [1000, 2345, 700000, 262000, 0],
    [1000, 2400, 1000, 80, 0],
  ]);
  expect(report?.table?.map(({ comm, pageTableBytes, swapEntries }) => [comm, pageTableBytes, swapEntries])).toEqual([
    ['java', 600 * PAGE, 66],
    ['a )b( [c]', 7 * PAGE, 0],
  ]);
});

/** 4.18, and what oom_reaper says later, in its own name. */
const EL8 = `
    stress invoked oom-killer: gfp_mask=0x14280ca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO), nodemask=(null), order=0, oom_score_adj=0
    stress cpuset=/ mems_allowed=0
    CPU: 0 PID: 1200 Comm: stress Not tainted 4.18.0-553.el8.x86_64 #1
    Mem-Info:
    active_anon:100 inactive_anon:1 isolated_anon:0
    [ pid ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
    [ 1200]     0  1200   200000   180000  1482752        0             0 stress
    Out of memory: Kill process 1200 (stress) score 700 or sacrifice child
    Killed process 1200 (stress) total-vm:800000kB, anon-rss:720000kB, file-rss:0kB, shmem-rss:0kB
    oom_reaper: reaped process 1200 (stress), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB
`;

/** 3.10, the whole machine: 'invoked' to 'Killed', as el7 prints it. */
const EL7 = `
    java invoked oom-killer: gfp_mask=0x280da, order=0, oom_score_adj=-300
    java cpuset=/ mems_allowed=0-1
    CPU: 3 PID: 4012 Comm: java Tainted: G           OE  ------------   3.10.0-957.el7.x86_64 #1
    Hardware name: Red Hat KVM, BIOS 0.5.1 01/01/2011
    Call Trace:
     [<ffffffff8b361dc1>] dump_stack+0x19/0x1b
     [<ffffffff8b35c7ea>] dump_header+0x90/0x229
    Mem-Info:
    active_anon:3910015 inactive_anon:2060 isolated_anon:0
     active_file:0 inactive_file:451 isolated_file:0
     unevictable:0 dirty:0 writeback:0 unstable:0
     slab_reclaimable:7124 slab_unreclaimable:9312
     mapped:1208 shmem:2292 pagetables:9710 bounce:0
     free:33415 free_pcp:30 free_cma:0
    Node 0 Normal free:44216kB min:44300kB low:55372kB high:66448kB active_anon:15640060kB managed:15983272kB pages_scanned:9 all_unreclaimable? yes
    lowmem_reserve[]: 0 0 0 0
    Node 0 Normal: 506*4kB (UEM) 1*8kB (M) 0*16kB 0*32kB 0*64kB 0*128kB 0*256kB 0*512kB 0*1024kB 0*2048kB 0*4096kB = 2032kB
    2880 total pagecache pages
    Free swap  = 12kB
    Total swap = 2097148kB
    4194174 pages RAM
    0 pages HighMem/MovableOnly
    [ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name
    [ 4012]   998  4012  6006180  3820012    9000     4000          -300 java
    Out of memory: Kill process 4012 (java) score 612 or sacrifice child
    Killed process 4012 (java), UID 998, total-vm:24024720kB, anon-rss:15280048kB, file-rss:0kB, shmem-rss:0kB
`;

it('3.10: the whole machine, with the UID of el7', () => {
  const [report] = oomReports(log(EL7), PAGE);
  expect(report?.invoker).toEqual({
    comm: 'java',
    pid: 4012,
    gfpMask: 0x280da,
    gfpFlags: undefined,
    order: 0,
    oomAdj: undefined,
    scoreAdj: -300,
    cpuset: '/',
    memsAllowed: '0-1',
    nodemask: undefined,
  });
  expect(report?.victims).toEqual([
    {
      pid: 4012,
      comm: 'java',
      score: 612,
      totalVm: 24024720,
      anonRss: 15280048,
      fileRss: 0,
      shmemRss: 0,
      uid: 998,
      pageTables: undefined,
      scoreAdj: undefined,
      reaped: undefined,
    },
  ]);
  expect(report?.table?.[0]).toMatchObject({ pageTableBytes: 9000 * PAGE, swapEntries: 4000, scoreAdj: -300 });
  const { pages, zones, swapFree, swapTotal, ram } = report?.memory ?? {};
  expect(['unevictable', 'pagetables', 'free_cma', 'free'].map((name) => pages?.get(name))).toEqual([
    0, 9710, 0, 33415,
  ]);
  expect([swapFree, swapTotal, ram]).toEqual([12, 2097148, 4194174]);
  const [zone] = zones ?? [];
  expect(['free', 'min', 'low', 'high', 'managed'].map((name) => zone?.kilobytes.get(name))).toEqual([
    44216, 44300, 55372, 66448, 15983272,
  ]);
  expect([zone?.node, zone?.name, zone?.freeBlocks[0], zone?.lowmemReserve]).toEqual([0, 'Normal', 506, 0]);
});

it('4.18: names of the mask, bytes of page tables, the reaper', () => {
  const [report] = oomReports(log(EL8), PAGE);
  expect(report?.invoker).toEqual({
    comm: 'stress',
    pid: 1200,
    gfpMask: 0x14280ca,
    gfpFlags: 'GFP_HIGHUSER_MOVABLE|__GFP_ZERO',
    order: 0,
    oomAdj: undefined,
    scoreAdj: 0,
    cpuset: '/',
    memsAllowed: '0',
    nodemask: '(null)',
  });
  expect(report?.memory?.pages.get('active_anon')).toBe(100);
  expect(report?.table).toMatchObject([
    { pid: 1200, uid: 0, tgid: 1200, totalVm: 200000, rss: 180000, swapEntries: 0, scoreAdj: 0, comm: 'stress' },
  ]);
  expect(report?.table?.[0]?.pageTableBytes).toBe(1482752);
  expect(report?.victims).toMatchObject([
    { pid: 1200, score: 700, totalVm: 800000, anonRss: 720000, fileRss: 0, shmemRss: 0, reaped: 'reaped' },
  ]);
});

/** 6.12's table, a cgroup of version 2 whose tasks are killed as one, while another task writes in between. */
const TODAY = `
    T77| worker invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=100
    T77| CPU: 0 UID: 0 PID: 77 Comm: worker Not tainted 6.12.0 #1
    T12| [  1]     0     1        1        1        1        1 not a row of it
    T77| memory: usage 102400kB, limit 102400kB, failcnt 9
    T77| Tasks state (memory values in pages):
    T77| [  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name
    T77| [     77]     0    77    30000    20000    19000      900       100   200704       12           100 worker
    T12| something else
    T77| [     78]     0    78    30000    
    T77| oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/box,task_memcg=/box/in,task=worker,pid=77,uid=0
    T77| Memory cgroup out of memory: Killed process 77 (worker) total-vm:120000kB, anon-rss:76000kB, file-rss:3600kB, shmem-rss:400kB, UID:0 pgtables:196kB oom_score_adj:100
    T77| Tasks in /box are going to be killed due to memory.oom.group set
    T77| Memory cgroup out of memory: Killed process 78 (worker) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0
    T33| oom_reaper: unable to reap pid:77 (worker)
`;

it('6.12: a group killed as one, rows by their own header, lines of others left out', () => {
  const [report] = oomReports(log(TODAY), PAGE);
  expect(report).toMatchObject({
    constraint: 'MEMCG',
    memcg: { path: '/box', taskPath: '/box/in', usage: 102400, limit: 102400, failCount: 9 },
    badRows: 1,
    outcome: 'killed',
  });
  expect(report?.table).toEqual([
    {
      pid: 77,
      tgid: 77,
      uid: 0,
      totalVm: 30000,
      rss: 20000,
      rssAnon: 19000,
      rssFile: 900,
      rssShmem: 100,
      pageTableBytes: 200704,
      swapEntries: 12,
      oomAdj: undefined,
      scoreAdj: 100,
      comm: 'worker',
    },
  ]);
  expect(report?.invoker).toMatchObject({ cpuset: '/', memsAllowed: '0', nodemask: '(null)' });
  expect(report?.victims.map(({ pid, reaped, pageTables }) => [pid, reaped, pageTables])).toEqual([
    [77, 'unable', 196],
    [78, undefined, 4],
  ]);
});

it('a panic, and nobody to kill', () => {
  const head = 'a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n';
  const outcome = (line: string) => oomReports(log(head + line), PAGE)[0]?.outcome;
  expect(outcome('Kernel panic - not syncing: System is deadlocked on memory')).toBe('panic');
  expect(outcome('Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled')).toBe('panic');
  expect(outcome('Out of memory and no killable processes...')).toBe('no-victim');
  expect(outcome('something else')).toBe('unknown');
});

it('two reports are two, and what user space wrote is none', () => {
  const twice = log(EL8 + EL8.replaceAll('1200', '1300'));
  expect(oomReports(twice, PAGE).map(({ victims }) => victims[0]?.pid)).toEqual([1200, 1300]);
  expect(
    oomReports(
      twice.map((record) => ({ ...record, facility: 1 })),
      PAGE,
    ),
  ).toEqual([]);
  expect(oomReports(log('    see: foo invoked oom-killer twice'), PAGE)).toEqual([]);
});

/** Frames, registers, nodes and zones come between the beginning and the table: as many as the machine has. */
it('a deep stack and eight nodes do not end it', () => {
  const [before = '', table = ''] = TODAY.split(/^(?= *(?:T\d+\| *)?Tasks state)/m);
  const by = /(T\d+\|)/.exec(before)?.[1] ?? '';
  const frames = Array.from({ length: 90 }, (_, i) => `    ${by} ? do_syscall_${i}+0x69/0x90`);
  const nodes = Array.from({ length: 8 }, (_, node) => [
    `Node ${node} active_anon:1968kB inactive_anon:277380kB active_file:0kB`,
    ...['DMA32', 'Normal', 'Movable'].flatMap((zone) => [
      `Node ${node} ${zone} free:1000kB boost:0kB min:2088kB low:2608kB high:3128kB`,
      'lowmem_reserve[]: 0 281 281 281 281',
      `Node ${node} ${zone}: 2*4kB (ME) 2*8kB (ME) = 1000kB`,
    ]),
    `Node ${node} hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size=2048kB`,
  ]).flat();
  const text = [before.trimEnd(), ...frames, ...nodes.map((line) => `    ${by} ${line}`), table].join('\n');
  const [plain] = oomReports(log(TODAY), PAGE);
  const [report] = oomReports(log(text), PAGE);
  expect(report).toMatchObject({ outcome: 'killed', victims: plain?.victims, table: plain?.table });
});
