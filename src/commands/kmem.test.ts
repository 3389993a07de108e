/** The lines are crash 9.0.2's on the full dump that the sample was made of, but where crash is wrong. */
import { describe, expect, it, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { MemmapImage } from '../../test/builders/memmap.ts';
import kmem from './kmem.ts';

const { run, json } = commandRunner([kmem]);

test('-i: memory at a glance', () => {
  const { lines, problems } = run('kmem -i');
  expect(problems).toEqual([]);
  expect(lines).toEqual([
    '                 PAGES        TOTAL      PERCENTAGE',
    '    TOTAL MEM    79294     309.7 MB         ----',
    '         FREE    48361     188.9 MB   60% of TOTAL MEM',
    '         USED    30933     120.8 MB   39% of TOTAL MEM',
    '      BUFFERS        0            0    0% of TOTAL MEM',
    '       CACHED     8659      33.8 MB   10% of TOTAL MEM',
    '         SLAB     4691      18.3 MB    5% of TOTAL MEM',
    '',
    '   TOTAL HUGE        0            0         ----',
    '    HUGE FREE        0            0    0% of TOTAL HUGE',
    '',
    '   TOTAL SWAP        0            0         ----',
    '    SWAP USED        0            0    0% of TOTAL SWAP',
    '    SWAP FREE        0            0    0% of TOTAL SWAP',
    '',
    ' COMMIT LIMIT    39647     154.9 MB         ----',
    // crash leaves out what CPUs have not added: 22137.
    '    COMMITTED    29687       116 MB   74% of TOTAL LIMIT',
  ]);
  expect(json('kmem -i')).toMatchObject({ data: { total: 79294 * 4096, free: 48361 * 4096 } });
});

test('-s: slab caches', () => {
  expect(run('kmem -s mm_struct task_struct kmalloc-64 perf_event fsverity_info').lines).toEqual([
    'CACHE             OBJSIZE  ALLOCATED     TOTAL  SLABS  SSIZE  NAME',
    'ffff88899ff1be00      256          0         0      0     4k  fsverity_info',
    'ffff8889811b7400     8328        163       168     56    32k  task_struct',
    'ffff888981045d00     1232          0        13      1    16k  perf_event',
    'ffff888981045700     1104        111       126      9    16k  mm_struct',
    'ffff888981042500       64       1613      1728     27     4k  kmalloc-64',
  ]);
  expect(run('kmem -s').lines).toHaveLength(155);
  expect(run('kmem -s nosuchcache').failures).toEqual(["kmem: no slab cache is called 'nosuchcache'"]);
  expect(run('kmem -s dentry nosuchcache').failures).toEqual(["no slab cache is called 'nosuchcache'"]);
});

test('-z: zones', () => {
  const { lines } = run('kmem -z');
  expect(lines.slice(0, 5)).toEqual([
    'NODE: 0  ZONE: 0  ADDR: ffff88899f220000  NAME: "DMA"',
    '  SIZE: 4095  PRESENT: 3998  MIN/LOW/HIGH: 28/35/42',
    '  MANAGED: 3840  BOOST: 0  LOWMEM_RESERVE: 0/272/272/272/272  FREE: above HIGH',
    '  VM_STAT:',
    '        NR_FREE_PAGES: 3808',
  ]);
  // crash leaves out what CPUs have not added: 4512.
  expect(lines).toContain('  NR_ZONE_ACTIVE_ANON: 4511');
});

test('-V: counters and events', () => {
  const { lines } = run('kmem -V');
  expect(lines[1]).toBe('             NR_FREE_PAGES: 48361');
  expect(lines).toContain('              NR_PAGETABLE: 606');
  expect(lines).toContain('                   PGACTIVATE: 3911');
});

test('-f: free lists', () => {
  const { lines, problems } = run('kmem -f');
  expect(problems).toEqual([]);
  expect(lines[1]).toBe('  0   DMA         4095    3808  fffffb3ec0000040      1000          1');
  expect(lines).toContain(' 10    4096k  ffff88899f220a80      39  39936  Movable');
  expect(lines.at(-1)).toBe('nr_free_pages: 48361  (verified)');
});

test('-f tells a list that is broken', () => {
  const memory = new MemmapImage('6.1');
  memory.image.list('contig_page_data.node_zones[0].free_area[3].free_list[1]', ['memmap[64].lru', 'memmap[80].lru']);
  memory.image.write('memmap[80].lru.prev', 0);
  memory.image.write('contig_page_data.node_zones[0].free_area[3].nr_free', 2);
  const answer = commandRunner([kmem], memory.open()).run('kmem -f');
  expect(answer.lines.at(-1)).toBe('nr_free_pages: 16  (the lists have 8)');
  expect(answer.problems).toEqual([
    'zone Normal: the list of order 3, Movable, is broken after 1 blocks',
    'the free lists have 8 pages, and nr_free counts 16',
  ]);
});

test('-v: vmalloc areas', () => {
  const { lines } = run('kmem -v');
  expect(lines.slice(0, 2)).toEqual([
    '   VMAP_AREA         VM_STRUCT                 ADDRESS RANGE                SIZE   PAGES  CALLER',
    'ffff88898104dc00  ffff8889811522c0  ffffd1ec00000000 - ffffd1ec00005000    20480       0  irq_init_percpu_irqstack',
  ]);
  expect(lines).toHaveLength(187);
  expect(run('kmem -v ffffd1ec00004fff').lines).toHaveLength(2);
  expect(run('kmem -v ffffd1ec00007000').failures[0]).toContain('no vmalloc area holds ffffd1ec00007000');
});

test('-p: page structures', () => {
  const { lines } = run('kmem -p');
  expect(lines).toHaveLength(131073);
  expect(lines.slice(0, 3)).toEqual([
    '      PAGE       PHYSICAL      MAPPING       INDEX CNT FLAGS',
    'fffffb3ec0000000        0                0        0  1 7ffffc0001000 reserved',
    'fffffb3ec0000040     1000                0        0  1 7ffffc0001000 reserved',
  ]);
  expect(lines).toContain(
    'fffffb3ec0138780  4e1e000 ffff8889971f9468      c6d  4 fffffc008001c uptodate,dirty,lru,swapbacked',
  );
  expect(run('kmem -p fffffb3ec0041380').lines.slice(1)).toEqual([
    'fffffb3ec0041380  104e000 ffff888981042a00        0  1 fffffc0010200 slab,head',
    '',
    'used for: slab',
  ]);
  // The same page by its physical address and by its address in the direct map.
  expect(run('kmem -p 104e000').lines[1]).toContain('fffffb3ec0041380');
  expect(run('kmem -p ffff88898104e123').lines[1]).toContain('fffffb3ec0041380');
  expect(run('kmem -p zzz').failures).toEqual(["kmem: 'zzz' is no address"]);
});

test('-h: pools of huge pages', () => {
  expect(run('kmem -h').lines).toEqual([
    '     HSTATE        SIZE    FREE   TOTAL  NAME',
    'ffffffff9bb4e760    1GB       0       0  hugepages-1048576kB',
    'ffffffff9bb57728    2MB       0       0  hugepages-2048kB',
  ]);
});

test('one view at a time', () => {
  expect(run('kmem').failures[0]).toContain('kmem needs one of -i');
  expect(run('kmem -iz').failures[0]).toContain('-i and -z are different views');
  expect(run('kmem -i foo').failures[0]).toContain("-i takes no 'foo'");
});

describe('small tables', () => {
  it('-o and -g are as in crash 9.0.2', () => {
    expect(run('kmem -o').lines).toEqual([
      'PER-CPU OFFSET VALUES:',
      '  CPU 0: ffff88899e800000',
      '  CPU 1: ffff88899e900000',
    ]);
    expect(run('kmem -g').lines.slice(0, 3)).toEqual([
      'PAGE-FLAG              BIT  VALUE',
      'PG_locked                0  0000001',
      'PG_referenced            1  0000002',
    ]);
    expect(run('kmem -g').lines).toContain('PG_checked              10  0000400');
    expect(run('kmem -g 100').lines).toEqual([
      'FLAGS: 100',
      '  PAGE-FLAG              BIT  VALUE',
      '  PG_error                 8  0000100',
    ]);
    expect(run('kmem -g x').failures[0]).toContain('-g x');
  });

  it('-I leaves caches out', () => {
    const names = (line: string): string[] => run(line).lines.map((each) => each.split(/ +/).at(-1) ?? '');
    expect(names('kmem -s')).toContain('dentry');
    expect(names('kmem -s -I dentry,inode_cache')).toEqual(
      names('kmem -s').filter((each) => each !== 'dentry' && each !== 'inode_cache'),
    );
  });
});

test('-n: nodes, sections and blocks of memory', () => {
  const { lines, problems } = run('kmem -n');
  expect(problems).toEqual([]);
  expect(lines.map((line) => line.trimEnd())).toEqual([
    'NODE    SIZE      PGLIST_DATA       BOOTMEM_DATA       NODE_ZONES',
    '  0    131030   ffff88899f220000        ----        ffff88899f220000',
    '                                                    ffff88899f220600',
    '                                                    ffff88899f220c00',
    '                                                    ffff88899f221200',
    '                                                    ffff88899f221800',
    '    MEM_MAP          START_PADDR    START_MAPNR',
    'fffffb3ec0000040        1000             1',
    '',
    'ZONE  NAME         SIZE       MEM_MAP      START_PADDR  START_MAPNR',
    '  0   DMA          4095  fffffb3ec0000040         1000            1',
    '  1   DMA32      126935  fffffb3ec0040000      1000000         4096',
    '  2   Normal          0                 0            0            0',
    '  3   Movable         0                 0            0            0',
    '  4   Device          0                 0            0            0',
    '',
    '-------------------------------------------------------------------',
    '',
    'NR      SECTION        CODED_MEM_MAP        MEM_MAP       STATE PFN',
    ' 0  ffff88899ffd2000  fffffb3ec0000000  fffffb3ec0000000  PMOE  0',
    ' 1  ffff88899ffd2010  fffffb3ec0000000  fffffb3ec0200000  PMOE  32768',
    ' 2  ffff88899ffd2020  fffffb3ec0000000  fffffb3ec0400000  PMOE  65536',
    ' 3  ffff88899ffd2030  fffffb3ec0000000  fffffb3ec0600000  PMOE  98304',
    '',
    '   MEM_BLOCK        NAME        PHYSICAL RANGE     NODE  STATE   START_SECTION_NO',
    ' ffff8889811d9400   memory0           0 -  7ffffff  0    ONLINE  0',
    ' ffff8889811db400   memory1     8000000 -  fffffff  0    ONLINE  1',
    ' ffff8889811d9800   memory2    10000000 - 17ffffff  0    ONLINE  2',
    ' ffff8889811da800   memory3    18000000 - 1fffffff  0    ONLINE  3',
  ]);
  expect(json('kmem -n')).toMatchObject({
    data: {
      nodes: [{ node: 0, firstFrame: 1, spanned: 131030 }],
      sections: [{ number: 0, state: 'PMOE', frames: 32768 }, {}, {}, {}],
      blocks: [{ start: '0x0', end: '0x7ffffff', state: 'ONLINE' }, {}, {}, { firstSection: 3 }],
    },
  });
});
