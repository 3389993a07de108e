import { describe, expect, it } from 'vitest';
import type { LogRecord } from './log-record.ts';
import { slubReports } from './slub-report.ts';

function log(text: string, facility = 0): LogRecord[] {
  return text
    .trim()
    .split('\n')
    .map((line, i) => ({
      seq: BigInt(i),
      timeNs: undefined,
      level: 1,
      facility,
      caller: undefined,
      continuation: false,
      device: undefined,
      text: line,
    }));
}

/** As 6.1 prints it. */
const REDZONE = `
=============================================================================
BUG kmalloc-64 (Tainted: G           OE     ): Right Redzone overwritten
-----------------------------------------------------------------------------

0xff1252ca9061b580-0xff1252ca9061b583 @offset=1408. First byte 0x41 instead of 0xcc
Allocated in session_new+0x21/0x40 [sessiondev] age=120 cpu=1 pid=265
 __kmem_cache_alloc_node+0x80/0x138
Freed in skb_free_head+0x4f/0x80 age=2120 cpu=0 pid=9
 skb_release_data+0x13f/0x1a0
Slab 0xfffff34c84186c0 objects=32 used=31 fp=0xff1252ca9061bac0 flags=0xfffffc0000200(slab)
Object 0xff1252ca9061b540 @offset=1344 fp=0x0000000000000000

Redzone  ff1252ca9061b500: cc cc cc cc cc cc cc cc                          ........
Object   ff1252ca9061b540: 00 00 00 00 00 00 00 00 41 41 41 41 41 41 41 41  ........AAAAAAAA
Redzone  ff1252ca9061b580: 41 41 41 41 cc cc cc cc                          AAAA....
CPU: 0 PID: 265 Comm: nbd-client Tainted: G    B      OE      6.1.0-56-cloud-amd64 #1
`;

/** As 4.9 prints it, with its own spelling of the details. */
const POISON = `
BUG kmalloc-512 (Not tainted): Poison overwritten
INFO: 0xffff8800db51e088-0xffff8800db51e08c. First byte 0x40 instead of 0x6b
INFO: Allocated in platform_device_alloc+0x34/0x78 age=11951 cpu=0 pid=1
INFO: Slab 0xffffea00e3d17400 objects=21 used=21 fp=0x          (null) flags=0x4081
INFO: Object 0xffff8800db51e040 @offset=7744 fp=0xffff8800db522140
`;

/** As 6.12.117 prints it, of two parts of one object. */
const ANNOUNCED = `
a line of something else
[Right Redzone overwritten] 0xff25442a1efffe08-0xff25442a1efffe0f @offset=3592. First byte 0x37 instead of 0xcc
[Object padding overwritten] 0xff25442a1efffe58-0xff25442a1efffe5f @offset=3672. First byte 0x38 instead of 0x5a
=============================================================================
BUG packetdev (Tainted: G           OE     ): Object corrupt
-----------------------------------------------------------------------------

Allocated in packetdev_new+0x17/0x50 [packetdev] age=815 cpu=0 pid=157
Object 0xff25442a1efffdc8 @offset=3528 fp=0xff25442a1efff328
Redzone  ff25442a1efffe08: 37 37 37 37 37 37 37 37                          77777777
`;

describe('the reports of SLUB', () => {
  it('tell what was said in front of them, of the first part that is wrong', () => {
    expect(slubReports(log(ANNOUNCED))).toMatchObject([
      {
        cache: 'packetdev',
        problem: 'Right Redzone overwritten',
        object: 0xff25442a1efffdc8n,
        bytes: { from: 0xff25442a1efffe08n, found: 0x37, wanted: 0xcc, run: new Uint8Array(8).fill(0x37) },
      },
    ]);
    const apart = log(ANNOUNCED.replace('=====', 'a line between\n====='));
    expect(slubReports(apart)).toMatchObject([{ problem: 'Object corrupt', bytes: undefined }]);
  });

  it('tell cache, damage, bytes, and who allocated and freed', () => {
    expect(slubReports(log(REDZONE))).toMatchObject([
      {
        cache: 'kmalloc-64',
        problem: 'Right Redzone overwritten',
        object: 0xff1252ca9061b540n,
        bytes: { from: 0xff1252ca9061b580n, found: 0x41, wanted: 0xcc, run: Uint8Array.of(0x41, 0x41, 0x41, 0x41) },
        allocated: { func: 'session_new', offset: 0x21, module: 'sessiondev', pid: 265 },
        freed: { func: 'skb_free_head', offset: 0x4f, module: undefined, pid: 9 },
        noticed: { pid: 265, comm: 'nbd-client' },
      },
    ]);
  });

  it('are read in the spelling of older kernels, and keep their details apart', () => {
    const [first, second, ...more] = slubReports(log(`${POISON}\n${REDZONE}`));
    expect(more).toEqual([]);
    expect(first).toMatchObject({
      cache: 'kmalloc-512',
      problem: 'Poison overwritten',
      object: 0xffff8800db51e040n,
      bytes: { found: 0x40, wanted: 0x6b },
      allocated: { func: 'platform_device_alloc', pid: 1 },
      freed: undefined,
    });
    expect(second).toMatchObject({ cache: 'kmalloc-64' });
  });

  it('are none where user space says the same, or other lines begin alike', () => {
    expect(slubReports(log(REDZONE, 1))).toEqual([]);
    expect(
      slubReports(log('BUG: kernel NULL pointer dereference, address: 0000000000000018\nBUG kmalloc-64: what')),
    ).toEqual([]);
  });
});
