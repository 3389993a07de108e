"""What drgn answers about one dump, as JSON on standard output: group -> question -> answer, all of them strings.

answers.py DUMP VMLINUX [KIND:ADDRESS...]: the locks named are read in addition to those that drgn finds in stack frames.
Addresses are `0x` and 16 digits. What cannot be read is 'unreadable'. The keys are those of oracle/ours/*.ts.
"""

import json
import sys

import drgn
from drgn import FaultError, Object, ObjectAbsentError, Program, TypeKind, cast
from drgn.helpers.linux.cgroup import cgroup_path
from drgn.helpers.linux.cpumask import for_each_online_cpu, for_each_possible_cpu, for_each_present_cpu
from drgn.helpers.linux.fs import d_path, for_each_file, for_each_mount, mount_dst, mount_fstype, mount_src
from drgn.helpers.linux.list import list_for_each_entry
from drgn.helpers.linux.mm import for_each_vma, task_rss, totalram_pages, vm_commit_limit, vm_memory_committed
from drgn.helpers.linux.mmzone import for_each_online_pgdat
from drgn.helpers.linux.module import for_each_module, module_address_regions
from drgn.helpers.linux.percpu import per_cpu_ptr
from drgn.helpers.linux.pid import for_each_task
from drgn.helpers.linux.printk import get_printk_records
from drgn.helpers.linux.rbtree import rbtree_inorder_for_each_entry
from drgn.helpers.linux.sched import cpu_rq, idle_task, loadavg, task_cpu, task_state_to_char
from drgn.helpers.linux.slab import for_each_slab_cache, slab_cache_usage
from drgn.helpers.linux.timekeeping import ktime_get_coarse_boottime_ns, ktime_get_coarse_ns
from drgn.helpers.linux.timekeeping import ktime_get_coarse_real_ns
from drgn.helpers.linux.vmstat import global_vm_event_state

dump, vmlinux = sys.argv[1:3]
prog = Program()
prog.set_core_dump(dump)
prog.load_debug_info([vmlinux])
answers = {}
online = list(for_each_online_cpu(prog))


def hexa(value):
    return "0x%016x" % (int(value) & 0xFFFFFFFFFFFFFFFF)


def text(value):
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def say(group, key, ask):
    """Records one answer. Attribute errors are bugs of this script, or layouts that drgn does not know."""
    try:
        value = ask()
    except (FaultError, LookupError, ValueError, ObjectAbsentError):
        value = "unreadable"
    if value is None:
        return
    if isinstance(value, drgn.Object):
        value = value.value_()
    if isinstance(value, bool):
        value = "yes" if value else "no"
    answers.setdefault(group, {})[key] = text(value)


def member(obj, *names):
    """The first of several spellings of a member."""
    for name in names:
        try:
            at = obj
            for part in name.split("."):
                at = at.member_(part)
            return at
        except (LookupError, AttributeError):
            pass
    return None


def symbol(address):
    try:
        found = prog.symbol(address)
        return found.name if found.address == address else None
    except LookupError:
        return None


def number(obj, *names):
    found = member(obj, *names)
    return None if found is None else found.value_()


# ---- tasks
def task_answers(task, idle):
    at = hexa(task)
    fields = {
        "pid": lambda: task.pid,
        "tgid": lambda: task.tgid,
        "comm": lambda: task.comm.string_(),
        "state": lambda: task_state_to_char(task),
        "rawState": lambda: number(task, "__state", "state"),
        "exitState": lambda: task.exit_state,
        "kthread": lambda: bool(task.flags.value_() & 0x200000),
        "parent": lambda: hexa(task.real_parent),
        "leader": lambda: hexa(task.group_leader),
        "mm": lambda: hexa(task.mm),
        "cpu": lambda: task_cpu(task),
        "running": lambda: bool(cpu_rq(prog, task_cpu(task)).curr == task),
        "startTime": lambda: task.start_time,
        "utime": lambda: task.utime,
        "stime": lambda: task.stime,
        "runs": lambda: task.sched_info.pcount,
        "runDelay": lambda: task.sched_info.run_delay,
        "lastArrival": lambda: task.sched_info.last_arrival,
        "lastQueued": lambda: task.sched_info.last_queued,
        "idle": lambda: idle,
    }
    for name, ask in fields.items():
        say("tasks", f"{at}.{name}", ask)
    if idle:
        return
    say("cgroups", at, lambda: cgroup_path(task.cgroups.dfl_cgrp))
    pids = member(task.signal, "pids")
    for name, index in (("processGroup", "PIDTYPE_PGID"), ("session", "PIDTYPE_SID")):
        say("job ids", f"{at}.{name}", lambda: pids[prog.constant(index)].numbers[0].nr)
    say("directories", f"{at}.cwd", lambda: d_path(task.fs.pwd) if task.fs else None)
    say("directories", f"{at}.root", lambda: d_path(task.fs.root) if task.fs else None)


def stack_answers(task):
    at = hexa(task)
    pcs = []
    try:
        trace = prog.stack_trace(task)
    except (FaultError, ValueError, LookupError) as error:
        answers.setdefault("stacks", {})[at] = "unreadable"
        return
    for frame in trace:
        if frame.is_inline:
            continue
        pc = frame.pc
        if pc >> 56 != 0xFF:
            break
        pcs.append(hexa(pc))
        try:
            found = frame.symbol()
            answers.setdefault("functions", {})[hexa(pc)] = found.name
        except LookupError:
            answers.setdefault("functions", {})[hexa(pc)] = "unknown"
    answers.setdefault("stacks", {})[at] = " ".join(pcs)
    find_lock(task, trace)


# ---- locks: from the variables of the functions that wait
WAITING = {
    "rwsem_down_read_slowpath": ("rw_semaphore", "sem"),
    "rwsem_down_write_slowpath": ("rw_semaphore", "sem"),
    "__mutex_lock": ("mutex", "lock"),
    "__mutex_lock_common": ("mutex", "lock"),
}
found_locks = {}


def find_lock(task, trace):
    for frame in trace:
        kind, variable = WAITING.get(frame.name, (None, None))
        if kind is None:
            continue
        lock = None
        try:
            lock = frame[variable].value_()
        except (LookupError, ObjectAbsentError, FaultError, drgn.OutOfBoundsError):
            pass
        if lock is None:
            continue
        found_locks[lock] = kind
        answers.setdefault("lock waits", {})[hexa(task)] = hexa(lock)
        return


def realtime_answers(at, lock):
    """PREEMPT_RT: an rt_mutex, and of a rw_semaphore the count of its readers."""
    base = member(lock, "rtmutex", "rwbase.rtmutex")
    readers = number(lock, "rwbase.readers.counter")
    inside = base.owner.value_() & ~3
    # WRITER_BIAS alone: a writer has it. Until then the owner of the rt_mutex waits for readers to leave.
    held = readers is None or readers == 0x40000000
    say("locks", f"{at}.owner", lambda: hexa(inside if held else 0))
    if readers is not None:
        say("locks", f"{at}.count", lambda: hexa(readers & 0xFFFFFFFF))
    name = "struct rt_mutex_waiter"
    entry = "tree.entry" if prog.type(name).has_member("tree") else "tree_entry"
    waiting = rbtree_inorder_for_each_entry(name, base.waiters.rb_root, entry)
    first = [] if held or inside == 0 else [f"{hexa(inside)} write"]
    say("locks", f"{at}.waiters", lambda: ", ".join(first + [hexa(waiter.task) for waiter in waiting]))


def waiters_of(lock, name):
    """Since 7.1 a lock has a pointer to the first of a ring of waiters, until then the head of a list."""
    first = member(lock, "first_waiter")
    if first is None:
        yield from list_for_each_entry(name, lock.wait_list.address_of_(), "list")
    elif first:
        yield first
        yield from list_for_each_entry(name, first.list.address_of_(), "list")


def lock_answers(address, kind):
    at = hexa(address)
    lock = Object(prog, f"struct {kind}", address=address)
    say("locks", f"{at}.kind", lambda: kind)
    if member(lock, "owner") is None:
        realtime_answers(at, lock)
        return
    say("locks", f"{at}.owner", lambda: hexa(lock.owner.counter.value_() & ~7))
    if kind == "rw_semaphore":
        say("locks", f"{at}.count", lambda: hexa(lock.count.counter))
    waiters = []
    try:
        for waiter in waiters_of(lock, f"struct {'rwsem' if kind != 'mutex' else kind}_waiter"):
            mode = ""
            if kind == "rw_semaphore":
                mode = {0: " write", 1: " read"}[waiter.type.value_()]
            waiters.append(hexa(waiter.task) + mode)
        value = ", ".join(waiters)
    except FaultError:
        value = "unreadable"
    answers.setdefault("locks", {})[f"{at}.waiters"] = value


# ---- address spaces
def mm_answers(task, mm):
    at = hexa(mm)
    rss = task_rss(prog, task)
    for name in ("file", "anon", "shmem", "swap", "total"):
        say("rss", f"{at}.{name}", lambda: getattr(rss, name))
    say("rss", f"{at}.totalVm", lambda: mm.total_vm)
    say("rss", f"{at}.pageTables", lambda: max(0, mm.pgtables_bytes.counter.value_()))
    say("rss", f"{at}.mapCount", lambda: mm.map_count)
    say("rss", f"{at}.users", lambda: mm.mm_users.counter)
    say("rss", f"{at}.exe", lambda: d_path(mm.exe_file.f_path) if mm.exe_file else None)
    try:
        for vma in for_each_vma(mm):
            key = f"{at}.{hexa(vma.vm_start)}"
            say("vmas", key, lambda: f"{hexa(vma.vm_end)} {hexa(vma.vm_flags)} {vma.vm_pgoff.value_()} {hexa(vma.vm_file)}")
    except FaultError:
        answers.setdefault("vmas", {})[f"{at}.problem"] = "unreadable"


# ---- files
def file_answers(task):
    at = hexa(task)
    for fd, file in for_each_file(task):
        key = f"{at}.{fd}"
        if not file:
            say("files", f"{key}.reserved", lambda: True)
            continue
        say("files", f"{key}.file", lambda: hexa(file))
        say("files", f"{key}.path", lambda: d_path(file.f_path))
        say("files", f"{key}.inode", lambda: hexa(file.f_inode))
        say("files", f"{key}.operations", lambda: symbol(file.f_op.value_()) or "unnamed")
        say("files", f"{key}.flags", lambda: file.f_flags)
        say("files", f"{key}.position", lambda: file.f_pos)
        say("files", f"{key}.privateData", lambda: hexa(file.private_data))
        say("files", f"{key}.count", lambda: number(file, "f_count.counter") if member(file, "f_count") is not None else file.f_ref.refcnt.counter.value_() + 1)


# ---- memory
def items(name):
    skipped = ("NR_VM_ZONE_STAT_ITEMS", "NR_VM_NODE_STAT_ITEMS", "NR_VM_EVENT_ITEMS")
    return [(n, v) for n, v in prog.type(name).enumerators if n not in skipped]


def memory_answers():
    zone_items, node_items = items("enum zone_stat_item"), items("enum node_stat_item")
    zone_sums, node_sums = dict.fromkeys(dict(zone_items), 0), dict.fromkeys(dict(node_items), 0)
    for node in for_each_online_pgdat(prog):
        for cpu in online:
            per_node = per_cpu_ptr(node.per_cpu_nodestats, cpu)
            for name, value in node_items:
                node_sums[name] += per_node.vm_node_stat_diff[value].value_()
        for index in range(node.nr_zones.value_()):
            zone = node.node_zones[index].address_of_()
            zone_answers(node.node_id.value_(), zone, zone_items)
            for cpu in online:
                split = member(zone, "per_cpu_zonestats")
                per_zone = per_cpu_ptr(zone.pageset if split is None else split, cpu)
                for name, value in zone_items:
                    zone_sums[name] += per_zone.vm_stat_diff[value].value_()
    for array, names, sums in (("vm_zone_stat", zone_items, zone_sums), ("vm_node_stat", node_items, node_sums)):
        for name, value in names:
            folded = prog[array][value].counter.value_()
            say("counters", f"{name}.folded", lambda: folded)
            say("counters", name, lambda: folded + sums[name])
    for name, value in items("enum vm_event_item"):
        say("events", name, lambda: global_vm_event_state(prog, value))
    say("meminfo", "memTotal", lambda: int(totalram_pages(prog)) * 4096)
    say("meminfo", "commitLimit", lambda: int(vm_commit_limit(prog)) * 4096)
    say("meminfo", "committedAs", lambda: max(0, int(vm_memory_committed(prog))) * 4096)
    say("meminfo", "swapTotal", lambda: prog["total_swap_pages"].value_() * 4096)
    say("meminfo", "minFree", lambda: prog["min_free_kbytes"].value_() * 1024)
    say("meminfo", "totalReserve", lambda: prog["totalreserve_pages"].value_() * 4096)


def zone_answers(node, zone, zone_items):
    at = f"{node}.{text(zone.name.string_())}"
    marks = member(zone, "_watermark", "watermark")
    say("zones", f"{at}.address", lambda: hexa(zone))
    say("zones", f"{at}.startPfn", lambda: zone.zone_start_pfn)
    say("zones", f"{at}.spanned", lambda: zone.spanned_pages)
    say("zones", f"{at}.present", lambda: zone.present_pages)
    say("zones", f"{at}.managed", lambda: number(zone, "managed_pages.counter", "managed_pages"))
    for index, name in enumerate(("min", "low", "high")):
        say("zones", f"{at}.{name}", lambda: marks[index])
    say("zones", f"{at}.boost", lambda: number(zone, "watermark_boost") or 0)
    say("zones", f"{at}.reservedHighatomic", lambda: number(zone, "nr_reserved_highatomic"))
    say("zones", f"{at}.lowmemReserve", lambda: " ".join(str(x.value_()) for x in zone.lowmem_reserve))
    say("zones", f"{at}.freeBlocks", lambda: " ".join(str(x.nr_free.value_()) for x in zone.free_area))
    for name, value in zone_items:
        say("zones", f"{at}.{name}.folded", lambda: zone.vm_stat[value].counter)


# ---- the machine
def system_answers():
    uts = prog["init_uts_ns"].name
    for name in ("sysname", "nodename", "release", "version", "machine"):
        say("system", name, lambda: uts.member_(name).string_())
    say("system", "commandLine", lambda: prog["saved_command_line"].string_())
    for name, walk in (("online", for_each_online_cpu), ("possible", for_each_possible_cpu), ("present", for_each_present_cpu)):
        say("system", f"cpus.{name}", lambda: " ".join(map(str, walk(prog))))
    say("system", "loadAverages", lambda: " ".join("%.2f" % x for x in loadavg(prog)))
    say("system", "tainted", lambda: prog["tainted_mask"].value_())
    say("system", "jiffies", lambda: prog["jiffies_64"].value_())
    say("system", "monotonic", lambda: ktime_get_coarse_ns(prog))
    say("system", "boottime", lambda: ktime_get_coarse_boottime_ns(prog))
    say("system", "realtime", lambda: ktime_get_coarse_real_ns(prog))
    say("system", "threads", lambda: prog["nr_threads"].value_())


def log_answers():
    for record in get_printk_records(prog):
        caller = "none"
        if record.caller_tid is not None:
            caller = f"task {record.caller_tid}"
        elif record.caller_cpu is not None:
            caller = f"cpu {record.caller_cpu}"
        head = f"{record.timestamp} {record.level} {record.facility} {caller} {'cont ' if record.continuation else ''}"
        context = {text(k): text(v) for k, v in record.context.items()}
        device = f"<device {context.get('SUBSYSTEM', '')} {context.get('DEVICE', '')}> " if context else ""
        say("log", str(record.seq), lambda: head + device + text(record.text))


def merged(regions):
    """Ranges without the empty ones, and those that touch as one: kernels up to 6.3 have two parts, later ones seven."""
    out = []
    for start, size in sorted(region for region in regions if region[1]):
        if out and out[-1][1] == start:
            out[-1][1] = start + size
        else:
            out.append([start, start + size])
    return " ".join(f"{hexa(start)}-{hexa(end)}" for start, end in out)


def list_answers():
    for mount in for_each_mount(prog):
        at = hexa(mount)
        say("mounts", f"{at}.device", lambda: mount_src(mount))
        say("mounts", f"{at}.directory", lambda: mount_dst(mount))
        say("mounts", f"{at}.type", lambda: mount_fstype(mount))
        say("mounts", f"{at}.superBlock", lambda: hexa(mount.mnt.mnt_sb))
    for module in for_each_module(prog):
        name = text(module.name.string_())
        say("modules", f"{name}.address", lambda: hexa(module))
        say("modules", f"{name}.ranges", lambda: merged(module_address_regions(module)))
    for cache in for_each_slab_cache(prog):
        at = hexa(cache)
        say("slab caches", at, lambda: cache.name.string_())
        say("slab usage", f"{at}.objectSize", lambda: cache.object_size)
        say("slab usage", f"{at}.pages", lambda: slab_cache_usage(cache).num_slabs << (cache.oo.x.value_() >> 16))


def main():
    mms = {}
    tasks = [task.read_() for task in for_each_task(prog)]
    idle = [idle_task(prog, cpu).read_() for cpu in online]
    for task in tasks + idle:
        task_answers(task, task in idle)
        stack_answers(task)
        if task.mm:
            mms.setdefault(task.mm.value_(), (task, task.mm))
    for task in tasks:
        file_answers(task)
    for task, mm in mms.values():
        mm_answers(task, mm)
    for word in sys.argv[3:]:
        kind, address = word.split(":")
        found_locks[int(address, 16)] = kind
    for address, kind in found_locks.items():
        lock_answers(address, kind)
    memory_answers()
    system_answers()
    log_answers()
    list_answers()
    json.dump(answers, sys.stdout)


main()
