/**
 * Arguments for commands, taken from the dump that they are asked of: real ones of each kind, some that are near, and some
 * that are wrong. On a damaged dump some cannot be had; then what is left is used.
 */
import { add, hex, NULL, type VirtAddr } from '../../src/base/address.ts';
import { attempt } from '../../src/base/errors.ts';
import { readTasks } from '../../src/kernel/sched.ts';
import type { ArgumentKind } from '../../src/model/command.ts';
import type { Program } from '../../src/program/program.ts';

export type Values = { readonly [kind in ArgumentKind]: readonly string[] };

/** Letters that a terminal would obey. */
export const HOSTILE = '"\u001b[31mred\u0007\u202e"';

/** The first of each kind is what the command wants most. */
export function valuesOf(program: Program): Values {
  const tasks = attempt(() => readTasks(program).tasks) ?? [];
  const user = tasks.find(({ kthread, idle }) => !kthread && !idle) ?? tasks[0];
  const kernel = tasks.find(({ kthread, idle }) => kthread && !idle);
  const read = (type: string, path: string, at: VirtAddr | undefined): VirtAddr | undefined =>
    at === undefined || at === NULL ? undefined : attempt(() => program.field(type, path).pointer(at));
  const memory = read('struct task_struct', 'mm', user?.address);
  const descriptors = read('struct files_struct', 'fdt', read('struct task_struct', 'files', user?.address));
  const table = read('struct fdtable', 'fd', descriptors);
  const opened = table === undefined ? undefined : attempt(() => program.memory.readPointer(table));
  const vmemmap = attempt(() => program.memory.readPointer(program.symbol('vmemmap_base').address));
  const addresses = [
    user?.address,
    memory,
    opened,
    read('struct file', 'f_inode', opened),
    read('struct file', 'f_path.dentry', opened),
    read('struct mm_struct', 'pgd', memory),
    vmemmap === undefined ? undefined : add(vmemmap, 0x40000),
    read('struct mm_struct', 'start_code', memory),
    user === undefined ? undefined : add(user.address, 3),
    0n,
    0xffffffffffffffffn,
    0xffffffffff600000n,
  ].flatMap((at) => (at === undefined ? [] : [hex(at).replace(/^0x/, '')]));
  const at = addresses[0] ?? '0';
  return {
    task: [
      String(user?.pid ?? 1),
      at,
      String(kernel?.pid ?? 2),
      '0',
      user !== undefined && /^[\w-]+$/.test(user.comm) ? user.comm : 'init',
      "'.*'",
      '99999999',
      HOSTILE,
    ],
    address: [...addresses, 'zz', HOSTILE],
    symbol: ['init_task', 'schedule', 'jiffies', 'runqueues', 'init_task.tasks', 'modules', 'nosuch', HOSTILE],
    type: ['task_struct', 'list_head', 'rw_semaphore', 'page', 'nosuch', HOSTILE],
    member: [
      'task_struct.tasks',
      'task_struct.pid,comm',
      'task_struct.mm',
      'pid',
      'task_struct.nosuch',
      '0',
      '99999999',
      HOSTILE,
    ],
    expression: [
      'jiffies',
      'init_task.comm',
      `((struct task_struct *)0x${at})->mm->total_vm * 4`,
      'runqueues:a',
      'per_cpu(runqueues, 0).nr_running',
      '*(struct task_struct *)0',
      '1/0',
      '1 <<',
      `(${'('.repeat(200)}`,
      HOSTILE,
    ],
    command: ['ps', 'bt', 'nosuch', HOSTILE],
    path: ['/', '/proc', '/nosuch', HOSTILE],
    number: ['1', '0', '100', 'ffffffffffffffff', '-1', '999999999999', 'zz', HOSTILE],
    cpus: ['0', 'a', '0-1', '99', 'zz', HOSTILE],
    text: ['schedule', 'open', 'dentry', '1', '0', 'mm', 'xarray', 'rbtree', 'maple', HOSTILE],
  };
}
