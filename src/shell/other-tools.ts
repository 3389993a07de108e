/**
 * What one would type elsewhere for each of our commands: in crash, where it is not the same line, and in drgn (Python, with
 * `from drgn.helpers.linux import *`). `$1` stands for the first argument, with what is taken when there is none behind it.
 * Run on a dump of 6.1 with drgn 0.3.0.
 */

export interface OtherTools {
  /** Undefined: the same line. Empty: crash has nothing for it. */
  readonly crash?: readonly string[];
  readonly drgn: readonly string[];
}

const eachTask = (body: string): string => `for task in for_each_task(prog): ${body}`;
const ALL_STACKS = eachTask('print(task.pid.value_(), task.comm.string_(), prog.stack_trace(task))');

/** By the names of our commands. Those of the shell itself (alias, help, set ...) have none elsewhere. */
export const OTHER_TOOLS: Readonly<Record<string, OtherTools>> = {
  alias: { drgn: ['# Python has variables and functions'] },
  ascii: { drgn: ["print(bytes.fromhex('$1:61').decode('latin1'))"] },
  bt: { drgn: ['print(prog.stack_trace($1:1))'] },
  btop: { drgn: ["print(hex(0x$1:1000 >> prog['PAGE_SHIFT'].value_()))"] },
  dev: { drgn: ['for disk in for_each_disk(prog): print(disk, disk_name(disk))'] },
  dis: {
    drgn: [
      "# drgn has no disassembler: prog.read(prog.symbol('$1:schedule').address, prog.symbol('$1:schedule').size) has the bytes",
      "prog.read(prog.symbol('$1:schedule').address, prog.symbol('$1:schedule').size)",
    ],
  },
  eval: { drgn: ['print(hex($1:1))'] },
  files: {
    drgn: ['for fd, file in for_each_file(find_task(prog, $1:1)): print(fd, d_path(file.f_path.address_of_()))'],
  },
  foreach: { drgn: [ALL_STACKS] },
  fuser: {
    drgn: [
      eachTask(
        'print(task.pid.value_(), [d_path(f.f_path.address_of_()) for _, f in for_each_file(task) if f] if task.files.value_() else [])',
      ),
    ],
  },
  hang: {
    crash: ['foreach UN bt', 'bt -FF <pid>', 'struct rw_semaphore <address from the stack>', 'bt <pid of its owner>'],
    drgn: [
      eachTask(
        "task_state_to_char(task) == 'D' and print(task.pid.value_(), task.comm.string_(), prog.stack_trace(task))",
      ),
    ],
  },
  help: { drgn: ['help(prog)'] },
  how: { crash: [], drgn: ['# drgn-crash --drgn prints the code of its commands'] },
  ipcs: { drgn: ["print(prog['init_ipc_ns'].ids)"] },
  irq: { drgn: ['for number, irq in for_each_irq_desc(prog): print(number, irq_desc_chip_name(irq))'] },
  kmem: { drgn: ['for cache in for_each_slab_cache(prog): print(cache.name.string_(), slab_cache_usage(cache))'] },
  list: {
    drgn: [
      "for task in list_for_each_entry('struct task_struct', prog['init_task'].tasks.address_of_(), 'tasks'): print(task.pid)",
    ],
  },
  locks: {
    crash: [
      'foreach UN bt -FF',
      'struct mutex <address from the stack>',
      'list -H <its wait_list> -s mutex_waiter.task -l mutex_waiter.list',
    ],
    drgn: [ALL_STACKS],
  },
  log: { drgn: ['print(get_dmesg(prog).decode())'] },
  mach: { drgn: ['print(prog.platform, num_online_cpus(prog))'] },
  mem: {
    crash: ['kmem -i', 'kmem -V', 'kmem -s', 'kmem -v', 'ps -G'],
    drgn: ['print(totalram_pages(prog), global_node_page_state(prog, prog["NR_ANON_MAPPED"]))'],
  },
  mod: { drgn: ['for module in prog.modules(): print(module.name, module.address_ranges)'] },
  mount: { drgn: ['for mount in for_each_mount(prog): print(mount_dst(mount), mount_fstype(mount))'] },
  net: { drgn: ['for device in for_each_netdev(prog["init_net"].address_of_()): print(device.name.string_())'] },
  oom: {
    crash: ['ps -G', 'foreach user gleader task -R signal', 'struct signal_struct.oom_score_adj <address>'],
    drgn: [
      eachTask(
        'print(task.comm.string_(), task.signal.oom_score_adj.value_(), task_rss(task).total if task.mm else 0)',
      ),
    ],
  },
  p: { drgn: ["print(prog['$1:jiffies'])"] },
  pressure: { crash: [], drgn: ["print(prog['psi_system'])"] },
  ps: { drgn: [eachTask('print(task.pid.value_(), task_state_to_char(task), task.comm.string_())')] },
  pte: { drgn: ['# the flags are bits of the value: value & 1 is present'] },
  ptob: { drgn: ["print(hex(0x$1:1 << prog['PAGE_SHIFT'].value_()))"] },
  ptov: { drgn: ['print(hex(phys_to_virt(prog, 0x$1:1000).value_()))'] },
  rd: { drgn: ["print(prog.read(prog.symbol('$1:jiffies').address, 16).hex(' '))"] },
  runq: { drgn: ["for cpu in for_each_online_cpu(prog): print(cpu, per_cpu(prog['runqueues'], cpu).nr_running)"] },
  search: { drgn: ['for at in prog.search_memory_u64(0x$1:ffffffffffffff42): print(hex(at))'] },
  set: { drgn: ['task = find_task(prog, $1:1)'] },
  sig: { drgn: ['print(find_task(prog, $1:1).pending)'] },
  stacks: { crash: ['foreach bt'], drgn: [ALL_STACKS] },
  struct: { drgn: ["print(prog.type('struct $1:list_head'))"] },
  swap: { drgn: ['for swap in for_each_swap_info(prog): print(swap_file_name(swap), swap_total_usage(swap))'] },
  sym: { drgn: ["print(prog.symbol('$1:schedule'))"] },
  sys: { drgn: ["print(prog['init_uts_ns'].name, uptime(prog), loadavg(prog))"] },
  task: { drgn: ['print(find_task(prog, $1:1))'] },
  timer: { drgn: ["print(per_cpu(prog['timer_bases'], 0))"] },
  tree: {
    drgn: [
      "for area in rbtree_inorder_for_each_entry('struct vmap_area', prog['vmap_area_root'], 'rb_node'): print(hex(area.va_start))",
    ],
  },
  union: { drgn: ["print(prog.type('union $1:sigval'))"] },
  vm: { drgn: ['for vma in for_each_vma(find_task(prog, $1:1).mm): print(hex(vma.vm_start), hex(vma.vm_end))'] },
  vtop: { drgn: ['print(hex(follow_phys(prog["init_mm"].address_of_(), 0x$1:ffffffff9b21aa40).value_()))'] },
  waiters: {
    crash: ['bt -FF <pid>', 'list -H <wait_list of the lock> -s rwsem_waiter.task,type -l rwsem_waiter.list'],
    drgn: [
      "for waiter in list_for_each_entry('struct rwsem_waiter', Object(prog, 'struct rw_semaphore', address=0x$1:ffffffff9b21aa40).wait_list.address_of_(), 'list'): print(waiter.task.comm)",
    ],
  },
  waitq: {
    drgn: [
      'for entry in waitqueue_for_each_entry(Object(prog, "struct wait_queue_head *", 0x$1:ffffffff9b21aa40)): print(entry.private)',
    ],
  },
  whatis: { drgn: ["print(prog.type('$1:struct list_head'))"] },
  why: {
    crash: [
      'bt -FF <pid>',
      'struct mutex <address from the stack>',
      'ps <owner without its low bits>',
      'bt <pid of the owner>',
    ],
    drgn: ['print(prog.stack_trace($1:1))'],
  },
};

/** A line with the first argument put in where it is asked for. */
export function withArgument(line: string, argument: string | undefined): string {
  return line.replaceAll(/\$1:([\w-]+)/g, (_, otherwise: string) => argument ?? otherwise);
}
