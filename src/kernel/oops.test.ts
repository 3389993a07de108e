import { describe, expect, it } from 'vitest';
import { nanoseconds } from '../base/units.ts';
import type { LogRecord } from './log-record.ts';
import { oopses } from './oops.ts';

function log(text: string, facility = 0): LogRecord[] {
  return text
    .trim()
    .split('\n')
    .map((line, i) => ({
      seq: BigInt(i),
      timeNs: nanoseconds(5_000_000_000n),
      level: 1,
      facility,
      caller: undefined,
      continuation: false,
      device: undefined,
      text: line,
    }));
}

/** As 6.1 prints it. */
const NULL_POINTER = `
BUG: kernel NULL pointer dereference, address: 0000000000000018
#PF: supervisor read access in kernel mode
#PF: error_code(0x0000) - not-present page
PGD 0 P4D 0
Oops: 0000 [#1] PREEMPT SMP NOPTI
CPU: 1 PID: 126 Comm: telemetryd Tainted: G           OE      6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2
RIP: 0010:telemetry_sample+0x5/0x20 [telemetry]
Code: Unable to access opcode bytes at 0xffffffffc0574fdb.
RSP: 0018:ff688e714041fc68 EFLAGS: 00000206
CR2: ffffffffc0574fdb CR3: 000000001f32e000 CR4: 0000000000751eb0
Call Trace:
 telemetry_write+0x6e/0x90 [telemetry]
RIP: 0033:0x43da20
---[ end trace 0000000000000000 ]---
`;

describe('oopses', () => {
  it('reads a NULL pointer dereference of today', () => {
    expect(oopses(log(NULL_POINTER))).toEqual([
      {
        kind: 'null-pointer',
        headline: 'BUG: kernel NULL pointer dereference, address: 0000000000000018',
        timeNs: 5_000_000_000n,
        address: 0x18n,
        access: 'read',
        at: { func: 'telemetry_sample', offset: 5, module: 'telemetry' },
        cpu: 1,
        pid: 126,
        comm: 'telemetryd',
        registers: new Map([['rsp', 0xff688e714041fc68n]]),
        trace: [{ func: 'telemetry_write', offset: 0x6e, module: 'telemetry' }],
      },
    ]);
  });

  it('reads the code from the instruction on, and never that of user space', () => {
    const code = 'Code: 90 0f 1f 44 00 00 <48> 8b 47 18 c3';
    const user = 'Code: 00 00 0f 05 <48> 3d 00 f0';
    const lines = NULL_POINTER.replace(/Code: .*/, code).replace('RIP: 0033:0x43da20', `RIP: 0033:0x43da20\n${user}`);
    expect(oopses(log(lines))[0]?.code).toEqual([0x48, 0x8b, 0x47, 0x18, 0xc3]);
    expect(oopses(log(NULL_POINTER.replace('RIP: 0033:0x43da20', user)))[0]?.code).toBeUndefined();
  });

  it('reads the texts of 3.10', () => {
    const [oops] = oopses(
      log(`
BUG: unable to handle kernel paging request at ffff880012345678
IP: [<ffffffff811c1234>] vfs_read+0x34/0x190
PGD 1f2c067 PUD 0
Oops: 0002 [#1] SMP
CPU: 3 PID: 4242 Comm: my prog Not tainted 3.10.0-1160.el7.x86_64 #1
`),
    );
    expect(oops).toMatchObject({
      kind: 'page-fault',
      address: 0xffff880012345678n,
      at: { func: 'vfs_read', offset: 0x34, module: undefined },
      pid: 4242,
      comm: 'my prog',
    });
  });

  it('takes BUG() and its trap for one, and two oopses for two', () => {
    const text = `
kernel BUG at fs/ext4/inode.c:42!
invalid opcode: 0000 [#1] PREEMPT SMP
CPU: 0 PID: 7 Comm: kworker/0:1 Not tainted 6.1.0 #1
RIP: 0010:ext4_writepages+0x12/0x340 [ext4]
---[ end trace 0000000000000000 ]---
general protection fault, probably for non-canonical address 0xdead000000000122: 0000 [#2] SMP
CPU: 1 PID: 8 Comm: a Not tainted 6.1.0 #1
RIP: 0010:list_del+0x1/0x20
`;
    expect(oopses(log(text)).map(({ kind, pid, at }) => [kind, pid, at?.func])).toEqual([
      ['bug', 7, 'ext4_writepages'],
      ['general-protection', 8, 'list_del'],
    ]);
  });

  it('does not believe what user space wrote, and is silent on warnings', () => {
    expect(oopses(log(NULL_POINTER, 1))).toEqual([]);
    expect(oopses(log('WARNING: CPU: 1 PID: 5 at kernel/foo.c:12 bar+0x1/0x2\n---[ end trace 0 ]---'))).toEqual([]);
  });

  it('gives what a cut log has', () => {
    const [oops] = oopses(log('BUG: kernel NULL pointer dereference, address: 0000000000000008'));
    expect(oops).toMatchObject({ kind: 'null-pointer', address: 8n, at: undefined, pid: undefined });
  });
});
