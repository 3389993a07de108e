/** The lines are crash 9.0.2's on the full dump that the sample was made of, but where crash is wrong. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import kmem from './kmem.ts';

const { run, json } = commandRunner([kmem]);

const trimmed = (line: string): readonly string[] => {
  const { lines, failures, problems } = run(line);
  expect([failures, problems]).toEqual([[], []]);
  return lines.map((each) => each.trimEnd());
};

test('-S: slabs and objects of a cache by CPU and node', () => {
  const lines = trimmed('kmem -S mm_struct');
  expect(lines.slice(0, 23)).toEqual([
    'CACHE             OBJSIZE  ALLOCATED     TOTAL  SLABS  SSIZE  NAME',
    'ffff888981045700     1104        111       126      9    16k  mm_struct',
    'CPU 0 KMEM_CACHE_CPU:',
    '  ffff88899e8366e0',
    'CPU 0 SLAB:',
    '  SLAB              MEMORY            NODE  TOTAL  ALLOCATED  FREE',
    '  fffffb3ec0099a00  ffff888982668000     0     14          9     5',
    '  FREE / [ALLOCATED]',
    '   ffff888982668000  (cpu 0 cache)',
    // Another CPU freed these into the slab: crash calls them CPU 0's, too.
    '   ffff888982668480',
    '   ffff888982668900',
    '  [ffff888982668d80]',
    '  [ffff888982669200]',
    '   ffff888982669680',
    '   ffff888982669b00',
    '  [ffff888982669f80]',
    '  [ffff88898266a400]',
    '  [ffff88898266a880]',
    '  [ffff88898266ad00]',
    '  [ffff88898266b180]',
    '  [ffff88898266b600]',
    '  [ffff88898266ba80]',
    'CPU 0 PARTIAL:',
  ]);
  expect(lines).toHaveLength(101);
  expect(lines).toContain('  fffffb3ec0099900  ffff888982664000     0     14         13     1');
  expect(lines.slice(-6)).toEqual([
    'KMEM_CACHE_NODE   NODE  SLABS  PARTIAL  PER-CPU',
    'ffff888981041dc0     0      9        0        2',
    'NODE 0 PARTIAL:',
    '  (empty)',
    'NODE 0 FULL:',
    '  (not tracked)',
  ]);
  const { lines: first } = run('kmem -S=0 mm_struct');
  expect(first).toHaveLength(46);
  expect(first).toContain('ffff888981041dc0     0      9        0        1');
  expect(run('kmem -S=7 mm_struct').failures).toEqual(['kmem: there is no CPU 7; there are 0-1']);
  expect(run('kmem -S nosuchcache').failures).toEqual(["kmem: no slab cache is called 'nosuchcache'"]);
});

test('-S: partial slabs of a node, and caches in the order of their list', () => {
  const lines = trimmed('kmem -S -I inode_cache,dentry');
  expect(lines.filter((line) => line.startsWith('CACHE '))).toHaveLength(152);
  const at = lines.indexOf('  fffffb3ec07fed80  ffff88899ffb6000     0     56          0    56');
  expect(lines.slice(at - 2, at + 6)).toEqual([
    'NODE 0 PARTIAL:',
    '  SLAB              MEMORY            NODE  TOTAL  ALLOCATED  FREE',
    '  fffffb3ec07fed80  ffff88899ffb6000     0     56          0    56',
    '  fffffb3ec07fed40  ffff88899ffb5000     0     56          0    56',
    '  fffffb3ec07fee00  ffff88899ffb8000     0     56          0    56',
    '  fffffb3ec05cef00  ffff8889973bc000     0     56         36    20',
    'NODE 0 FULL:',
    '  (not tracked)',
  ]);
  expect(json('kmem -S mm_struct')).toMatchObject({
    data: [
      {
        name: 'mm_struct',
        allocated: 111,
        cpus: [
          { cpu: 0, slab: { total: 14, allocated: 9 } },
          { cpu: 1, partial: [{ allocated: 13 }, { allocated: 13 }] },
        ],
        nodes: [{ node: 0, slabs: 9, partial: [] }],
      },
    ],
  });
});

test('-S: what the slim dump lost of the CPUs’ own lists is said', () => {
  expect(run('kmem -S dentry').problems).toContain('dentry: the list of free objects of CPU 1 breaks off');
});

test('-s of an address: its cache, slab and object', () => {
  const head = [
    'CACHE             OBJSIZE  ALLOCATED     TOTAL  SLABS  SSIZE  NAME',
    'ffff888981045700     1104        111       126      9    16k  mm_struct',
    '  SLAB              MEMORY            NODE  TOTAL  ALLOCATED  FREE',
    '  fffffb3ec0099a00  ffff888982668000     0     14          9     5',
    '  FREE / [ALLOCATED]',
  ];
  expect(trimmed('kmem -s ffff888982668d88')).toEqual([...head, '  [ffff888982668d80]']);
  expect(trimmed('kmem -s ffff888982668000')).toEqual([...head, '   ffff888982668000  (cpu 0 cache)']);
  expect(trimmed('kmem -S ffff888982668d88')).toHaveLength(19);
  // A page structure stands for the slab.
  expect(trimmed('kmem -s fffffb3ec0099a00')).toEqual(trimmed('kmem -S ffff888982668d88'));
  expect(trimmed('kmem -s ffff888981045700')).toEqual(head.slice(0, 2));
  expect(trimmed('kmem -s list')[0]).toBe('ffff88899ff1be00 fsverity_info');
  expect(run('kmem -s ffffffff9a2114f0').failures).toEqual(['ffffffff9a2114f0 is in no slab']);
  expect(run('kmem -s dentry ffff888982668000').failures[0]).toContain('give names or addresses, not both');
});

test('-m: chosen members of page structures', () => {
  expect(trimmed('kmem -m lru.next,_mapcount,flags,lru fffffb3ec0138780 fffffb3ec00413c0')).toEqual([
    '      PAGE        lru.next  _mapcount  flags  lru',
    'fffffb3ec0138780  fffffb3ec0138748  2  000fffffc008001c  fffffb3ec0138748,fffffb3ec01387c8',
    'fffffb3ec00413c0  fffffb3ec0041381  -1  000fffffc0000000  fffffb3ec0041381,ffffffffc0040101',
  ]);
  expect(trimmed('kmem -m index,mapping ffff88898104e123')).toEqual([
    '      PAGE        index  mapping',
    'fffffb3ec0041380  0  ffff888981042a00',
  ]);
  // 4 bytes of a struct: crash runs them into the next column.
  expect(trimmed('kmem -m ptl,_mapcount 104f000')[1]).toBe('fffffb3ec00413c0  00000000  -1');
  const all = trimmed('kmem -m mapping,index');
  expect(all).toHaveLength(131073);
  expect(all).toContain('fffffb3ec0138780  ffff8889971f9468  3181');
  expect(json('kmem -m index,flags 4e1e000')).toMatchObject({
    data: [{ page: '0xfffffb3ec0138780', index: 3181, flags: 0xfffffc008001c }],
  });
  expect(run('kmem -m mappin 104e000').failures[0]).toContain('did you mean mapping?');
  expect(run('kmem -m index 7fb312f98000').failures[0]).toContain('there is no such physical memory');
});

test('-F and -f ADDRESS: free blocks', () => {
  const lines = trimmed('kmem -F');
  // crash: 308 lines of zones that there are; its START_MAPNR is one too low.
  expect(lines).toHaveLength(307);
  expect(lines.slice(0, 4)).toEqual([
    'ZONE  NAME        SIZE    FREE      MEM_MAP       START_PADDR  START_MAPNR',
    '  0   DMA         4095    3808  fffffb3ec0000040      1000          1',
    'AREA    SIZE  FREE_AREA_STRUCT',
    '  0       4k  ffff88899f220100',
  ]);
  const at = lines.indexOf('  6     256k  ffff88899f220310');
  expect(lines[at + 1]).toBe('fffffb3ec0005000');
  expect(lines.at(-1)).toBe('nr_free_pages: 48361  (verified)');
  expect(trimmed('kmem -f 121000 2079c0 104e000')).toEqual([
    'ZONE  NAME        SIZE    FREE      MEM_MAP       START_PADDR  START_MAPNR',
    '  0   DMA         4095    3808  fffffb3ec0000040      1000          1',
    'AREA    SIZE  FREE_AREA_STRUCT',
    '  5     128k  ffff88899f2202b8',
    'fffffb3ec0004800  (121000 is 2nd of 32 pages)',
    '',
    'ZONE  NAME        SIZE    FREE      MEM_MAP       START_PADDR  START_MAPNR',
    '  0   DMA         4095    3808  fffffb3ec0000040      1000          1',
    'AREA    SIZE  FREE_AREA_STRUCT',
    '  9    2048k  ffff88899f220428',
    'fffffb3ec0008000  (2079c0 is in 8th of 512 pages)',
    '',
    '104e000 is on no free list',
  ]);
  expect(json('kmem -f 121000 104e000')).toMatchObject({
    data: [{ address: '121000', free: { zone: 'DMA', order: 5, index: 1, pages: 32 } }, { address: '104e000' }],
  });
});

test('-i=shared: pages with more than one reference', () => {
  expect(trimmed('kmem -i=shared')[4]).toBe('       SHARED     4693      18.3 MB    5% of TOTAL MEM');
  expect(run('kmem -i=all').failures[0]).toContain('can be =shared');
});

test('an address alone: what it is', () => {
  const area = '   VMAP_AREA         VM_STRUCT                 ADDRESS RANGE                SIZE';
  const page = '      PAGE       PHYSICAL      MAPPING       INDEX CNT FLAGS';
  expect(trimmed('kmem ffff8889811ea0d0')).toEqual([
    'CACHE             OBJSIZE  ALLOCATED     TOTAL  SLABS  SSIZE  NAME',
    'ffff8889811b7400     8328        163       168     56    32k  task_struct',
    '  SLAB              MEMORY            NODE  TOTAL  ALLOCATED  FREE',
    '  fffffb3ec0047a00  ffff8889811e8000     0      3          3     0',
    '  FREE / [ALLOCATED]',
    '  [ffff8889811ea0c0]',
    '',
    '    PID: 1',
    'COMMAND: "init"',
    '   TASK: ffff8889811ea0c0  [THREAD_INFO: ffff8889811ea0c0]',
    '    CPU: 0',
    '  STATE: TASK_RUNNING (PANIC)',
    '',
    page,
    'fffffb3ec0047a80  11ea000 dead000000000400        0  0 fffffc0000000',
  ]);
  expect(trimmed('kmem ffffffffc037f2c8')).toEqual([
    'ffffffffc037f2c8 (d) __this_module+8 [qemu_fw_cfg]',
    '',
    area,
    'ffff8889973bfc40  ffff88899ff5e8c0  ffffffffc037c000 - ffffffffc0382000    24576',
    '',
    page,
    'fffffb3ec058f180 163c6000                0        0  1 fffffc0000000',
  ]);
  const stack = trimmed('kmem ffffd1ec00407a78');
  expect(stack[1]).toBe('COMMAND: "ps"');
  expect(stack[7]).toBe('ffff8889973bf500  ffff88899ff5e7c0  ffffd1ec00404000 - ffffd1ec00409000    20480');
  expect(trimmed('kmem schedule')[0]).toBe('ffffffff9a2114f0 (T) schedule');
  expect(trimmed('kmem -P 121000')[4]).toBe('fffffb3ec0004800  (121000 is 2nd of 32 pages)');
  expect(trimmed('kmem fffffb3ec0138780').slice(1)).toEqual([
    'fffffb3ec0138780  4e1e000 ffff8889971f9468      c6d  4 fffffc008001c uptodate,dirty,lru,swapbacked',
    '',
    'used for: shmem-mapped',
  ]);
  expect(run('kmem 7fb312f98000').failures[0]).toContain('no symbol, no memory');
});
