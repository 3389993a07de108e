/**
 * kwhy as a library: open a dump as a Program, read typed objects, use the kernel helpers, or ask for the whole report.
 *
 *     import { openProgram, readTasks } from 'kwhy';
 *     const program = openProgram('vmcore');
 *     for (const task of readTasks(program).tasks) console.log(task.pid, task.comm, task.state.letter);
 *     console.log(program.global('init_task').member('comm').text());
 *
 * Synchronous throughout. Addresses are branded bigints; arithmetic on them is in `address`.
 */
export * as address from './base/address.ts';
export type { PhysAddr, VirtAddr } from './base/address.ts';
export { type Budget, budgetOf, type Checkpoint, limitedBudget, type Limits, unlimited } from './base/budget.ts';
export * from './base/errors.ts';
export type { Bytes, Jiffies, Nanoseconds, Pages } from './base/units.ts';
export type { DumpFile, PageStatus } from './dump/dump-file.ts';
export type { CType, TypeSource } from './debuginfo/type.ts';
export type { SymbolEntry, SymbolTable } from './debuginfo/symbol.ts';
export type { Frame, StackTrace } from './program/arch/arch.ts';
export { Field } from './program/field.ts';
export { Obj } from './program/object.ts';
export type { ProgramDescriptor } from './program/descriptor.ts';
export { openProgram, type OpenOptions, reopenProgram } from './program/open.ts';
export { Program } from './program/program.ts';
export { typeName } from './program/types.ts';
export { cgroupPath, taskCgroup } from './kernel/cgroup.ts';
export { cpus } from './kernel/cpus.ts';
export { dentryPath } from './kernel/dentry.ts';
export { holdersOfFile, type OpenFile, openFiles, readFile, taskDirectories } from './kernel/files.ts';
export { idrEntries, idrFind } from './kernel/idr.ts';
export { inodeOfLock, pathOfInode, readInode } from './kernel/inode.ts';
export type { Known } from './kernel/known.ts';
export { hlistEntries, listEntries, listNodes } from './kernel/list.ts';
export { loadAverages } from './kernel/loadavg.ts';
export type { LockKind } from './kernel/lock-kinds.ts';
export { lockWaiters } from './kernel/lock-queue.ts';
export { findLockWait, type LockWait } from './kernel/lock-wait.ts';
export { mapleEntries, mapleLoad } from './kernel/maple-tree.ts';
export { type Meminfo, meminfo } from './kernel/meminfo.ts';
export { readMm, rssOf } from './kernel/mm.ts';
export { type Mount, mountsOf } from './kernel/mount.ts';
export { mutexState } from './kernel/mutex.ts';
export { percpuRwsemState } from './kernel/percpu-rwsem.ts';
export { crashTrigger } from './kernel/panic.ts';
export { pathAt, pathOf } from './kernel/path.ts';
export { jobIds, tasksByPid } from './kernel/pid.ts';
export { type KernelLog, type LogCaller, logLines, type LogRecord, readLog } from './kernel/printk.ts';
export { rbEntries, rbNodes } from './kernel/rbtree.ts';
export { rtMutexState } from './kernel/rt-mutex.ts';
export { rwsemState } from './kernel/rwsem.ts';
export { readTasks, type Task, type TaskList } from './kernel/sched.ts';
export { semaphoreState } from './kernel/semaphore.ts';
export { slabCaches, slabObjectAt } from './kernel/slab.ts';
export { taskStack, type TaskStack } from './kernel/stack.ts';
export { fsTypeName, superBlocks } from './kernel/super-block.ts';
export { taint } from './kernel/taint.ts';
export { type Timekeeping, timekeeping } from './kernel/timekeeping.ts';
export { userfaultOf } from './kernel/userfaultfd.ts';
export { commandLine, utsName } from './kernel/uts.ts';
export { type Vma, vmaAt, vmasOf } from './kernel/vma.ts';
export { vmCounters, vmEvents } from './kernel/vmstat.ts';
export { waitQueueEntries } from './kernel/wait-queue.ts';
export { xEntries, xLoad } from './kernel/xarray.ts';
export { freeBlocks, type Zone, zones } from './kernel/zone.ts';
export { checkDump, type CheckOptions } from './check/check-dump.ts';
export type { DumpCheck } from './model/dump-check.ts';
export { diagnose } from './diagnosis/engine.ts';
export type { Report } from './model/report.ts';
export type { Finding } from './model/finding.ts';
// Names out of a dump may hold anything: this makes them harmless on a terminal.
export { escapeText } from './render/escape.ts';
export { checkJson } from './render/check-json.ts';
export { checkText } from './render/check-text.ts';
export { reportJson } from './render/report-json.ts';
export { reportText } from './render/report-text.ts';
