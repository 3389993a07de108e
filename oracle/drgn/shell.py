"""What drgn says of the facts that lines of the shell show, as JSON on standard output: line -> the same shape as `--json`.

shell.py DUMP VMLINUX. Members that are not here are not compared; rows of a list are all here. Addresses are `0x` and 16
digits. What drgn has no helper for is read out of the kernel's own structures, with the layouts of its debug information.
"""

import json
import sys

import drgn
from drgn import FaultError, NULL, Object, ObjectAbsentError, Program, TypeKind, cast, container_of
from drgn.helpers.linux.block import disk_name, for_each_disk
from drgn.helpers.linux.cpumask import for_each_online_cpu, for_each_possible_cpu
from drgn.helpers.linux.fs import d_path, for_each_file, for_each_mount, mount_dst, mount_fstype, mount_src
from drgn.helpers.linux.list import hlist_for_each_entry, list_for_each_entry
from drgn.helpers.linux.mapletree import mt_for_each
from drgn.helpers.linux.mm import cmdline, environ, follow_phys, for_each_vma, for_each_vmap_area, task_rss
from drgn.helpers.linux.mm import vm_commit_limit, vm_memory_committed
from drgn.helpers.linux.net import for_each_net, for_each_netdev
from drgn.helpers.linux.percpu import per_cpu, per_cpu_ptr
from drgn.helpers.linux.pid import for_each_task
from drgn.helpers.linux.printk import get_printk_records
from drgn.helpers.linux.rbtree import rbtree_inorder_for_each_entry
from drgn.helpers.linux.sched import cpu_curr, cpu_rq, idle_task, loadavg, task_cpu, task_state_to_char
from drgn.helpers.linux.slab import for_each_slab_cache, slab_cache_usage
from drgn.helpers.linux.timekeeping import ktime_get_coarse_boottime_ns

dump, vmlinux = sys.argv[1:3]
prog = Program()
prog.set_core_dump(dump)
prog.load_debug_info([vmlinux])
online = list(for_each_online_cpu(prog))
PAGE = 4096
said = {}


def hexa(value):
    return "0x%016x" % (int(value) & 0xFFFFFFFFFFFFFFFF)


def brief(value):
    return "0x%x" % (int(value) & 0xFFFFFFFFFFFFFFFF)


def text(value):
    value = value.string_() if isinstance(value, Object) else value
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def ns(value):
    return {"ns": str(int(value))}


def function(address):
    try:
        return prog.symbol(int(address)).name
    except LookupError:
        return None


def name_of(task):
    return {"pid": task.pid.value_(), "comm": text(task.comm), "task": hexa(task)}


def say(line, rows):
    try:
        said[line] = rows()
    except (FaultError, ObjectAbsentError) as error:
        print(f"{line}: {error}", file=sys.stderr)


idle = [idle_task(prog, cpu) for cpu in online]
tasks = [*idle, *for_each_task(prog)]
# One that ends has no address space and no files any more, and is a user's task still.
users = [task for task in tasks if not task.flags & 0x200000]


def state(task):
    """As crash writes it."""
    letter = task_state_to_char(task)
    return {"R": "RU", "S": "IN", "D": "UN", "I": "ID", "Z": "ZO", "T": "ST", "t": "TR", "X": "DE", "P": "PA"}[letter]


# ---- tasks
def ps_row(task):
    rss = task_rss(prog, task).total if task.mm else 0
    return {
        "running": bool(cpu_curr(prog, task_cpu(task)) == task),
        "pid": task.pid.value_(),
        "ppid": task.real_parent.tgid.value_(),
        "cpu": task_cpu(task),
        "task": hexa(task),
        "state": state(task),
        "virtual": task.mm.total_vm.value_() * PAGE if task.mm else 0,
        "resident": rss * PAGE,
        "comm": text(task.comm),
    }


def states():
    found = {}
    for task in tasks:
        found[state(task)] = found.get(state(task), 0) + 1
    return [{"state": name, "tasks": n} for name, n in found.items()]


LIMITS = ["CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING"]
LIMITS += ["MSGQUEUE", "NICE", "RTPRIO", "RTTIME"]
INFINITY = 0xFFFFFFFFFFFFFFFF


def limit(task, index):
    row = {"limit": LIMITS[index]}
    for key, member in (("current", "rlim_cur"), ("maximum", "rlim_max")):
        value = task.signal.rlim[index].member_(member).value_()
        if value != INFINITY:
            row[key] = value
    return row


def arguments(task):
    return {"arguments": [text(a) for a in cmdline(task)], "environment": [text(a) for a in environ(task)]}


def mm_of(task):
    return {"mm": hexa(task.mm), "pgd": hexa(task.mm.pgd), "resident": task_rss(prog, task).total * PAGE,
            "virtual": task.mm.total_vm.value_() * PAGE, "mappings": mappings(task)}


def directories(task):
    return {"root": text(d_path(task.fs.root)), "cwd": text(d_path(task.fs.pwd)), "files": files_of(task)}


def files_of(task):
    if not task.files:
        return []
    rows = []
    for fd, file in for_each_file(task):
        if file:
            rows.append({"fd": fd, "file": hexa(file), "dentry": hexa(file.f_path.dentry), "inode": hexa(file.f_inode),
                         "path": text(d_path(file.f_path)), "cached_pages": cached(file)})
    return rows


def cached(file):
    return file.f_mapping.nrpages.value_() if file.f_mapping else 0


def mappings(task, pages=False):
    rows = []
    for vma in for_each_vma(task.mm):
        row = {"vma": hexa(vma), "start": hexa(vma.vm_start), "end": hexa(vma.vm_end), "flags": brief(vma.vm_flags)}
        if vma.vm_file:
            row["file"] = text(d_path(vma.vm_file.f_path))
        if pages:
            row["pages"] = []
            for address in range(vma.vm_start.value_(), vma.vm_end.value_(), PAGE):
                try:
                    row["pages"].append({"address": hexa(address), "physical": brief(follow_phys(task.mm, address))})
                except FaultError:
                    row["pages"].append({"address": hexa(address)})
        rows.append(row)
    return rows


def signal_names():
    names = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG "
    names += "XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
    return ["SIG" + name for name in names.split()]


def set_of(mask):
    bits = mask.sig[0].value_()
    names = signal_names()
    out = []
    for n in range(64):
        if bits >> n & 1:
            out.append(names[n] if n < len(names) else "SIGRTMIN" if n == 31 else f"SIGRTMIN+{n - 31}" if n <= 47 else
                       f"SIGRTMAX-{63 - n}" if n < 63 else "SIGRTMAX")
    return out


def signals_of(task):
    return {
        "task": name_of(task),
        "signal_struct": hexa(task.signal),
        "threads": task.signal.nr_threads.value_(),
        "blocked": set_of(task.blocked),
        "own": {"signals": set_of(task.pending.signal)},
        "shared": {"signals": set_of(task.signal.shared_pending.signal)},
    }


say("ps", lambda: [ps_row(task) for task in tasks])
say("ps -S", states)
say("ps -l", lambda: [{"task": name_of(t), "cpu": task_cpu(t), "state": state(t), "lastRun": ns(t.sched_info.last_arrival)}
                      for t in tasks])
say("ps -y 0", lambda: [{"task": hexa(t), "pid": t.pid.value_()} for t in tasks if t.policy == 0])
say("foreach ps -t", lambda: [{"task": name_of(t), "startTime": ns(t.start_time), "user": ns(t.utime), "system": ns(t.stime)}
                              for t in tasks])
say("foreach user ps -a", lambda: [{"task": name_of(t), **(arguments(t) if t.mm else {})} for t in users])
say("foreach ps -r", lambda: [{"task": name_of(t), "limits": [limit(t, i) for i in range(16)]} for t in tasks])
say("foreach files", lambda: [{"task": name_of(t), **(directories(t) if t.fs else {})} for t in tasks])
say("foreach user vm", lambda: [{"task": name_of(t), **(mm_of(t) if t.mm else {})} for t in users])
say("vm -p 1", lambda: [{"task": name_of(t), "mappings": mappings(t, True)} for t in users if t.pid == 1])
say("foreach sig", lambda: [signals_of(t) for t in tasks if t.sighand])
def ancestors(task):
    """Up to the task that is its own parent; the idle tasks are nobody's children."""
    out, at = [], task
    while at.pid and len(out) < 1000:
        at = at.real_parent.group_leader
        out.insert(0, {"task": name_of(at)})
    return out


def children(task):
    return [{"task": name_of(other)} for other in tasks if other.pid and other.real_parent == task and other.group_leader == other]


def members(row_of, only=lambda task: True):
    return [{"task": name_of(task), **row_of(task)} for task in tasks if only(task)]


say("foreach ps -p", lambda: members(lambda t: {"parents": ancestors(t)}))
say("foreach ps -c", lambda: members(lambda t: {"children": children(t)}))
say("foreach ps -g", lambda: members(lambda t: {"threads": [{"task": name_of(o)} for o in tasks if o.tgid == t.tgid and o != t]},
                                     lambda t: t.group_leader == t and t in (tasks[0], *tasks[len(idle):])))
say("foreach task -R pid,comm", lambda: members(lambda t: {"values": [
    {"address": hexa(t), "value": {"pid": t.pid.value_()}}, {"address": hexa(t), "value": {"comm": text(t.comm)}}]}))
say("foreach task -R se.vruntime,blocked,utime", lambda: members(lambda t: {"values": [
    {"address": hexa(t), "value": {"se.vruntime": t.se.vruntime.value_()}},
    {"address": hexa(t), "value": {"blocked": {"sig": [t.blocked.sig[0].value_()]}}},
    {"address": hexa(t), "value": {"utime": t.utime.value_()}}]}))
say("runq", lambda: [{"cpu": cpu, "run_queue": hexa(cpu_rq(prog, cpu)), "current": name_of(cpu_curr(prog, cpu))} for cpu in online])
say("runq -t", lambda: [{"cpu": cpu, "clock": cpu_rq(prog, cpu).clock.value_(), "current": name_of(cpu_curr(prog, cpu)),
                         "arrival": cpu_curr(prog, cpu).sched_info.last_arrival.value_()} for cpu in online])


# ---- stacks
def frames_of(task):
    rows = []
    for frame in prog.stack_trace(task):
        if frame.is_inline:
            continue
        if frame.pc >> 56 != 0xFF:
            break
        rows.append({"pc": hexa(frame.pc)})
    return rows


def stacks():
    rows = []
    for task in tasks:
        try:
            rows.append({"task": name_of(task), "frames": frames_of(task)})
        except (ValueError, FaultError):
            rows.append({"task": name_of(task)})
    return rows


say("foreach bt", stacks)


# ---- memory
def kmem_slabs():
    rows = []
    for cache in for_each_slab_cache(prog):
        usage = slab_cache_usage(cache)
        order = cache.oo.x.value_() >> 16
        rows.append({"cache": hexa(cache), "objectSize": cache.object_size.value_(), "total": usage.num_objs,
                     "slabs": usage.num_slabs, "slabSize": PAGE << order, "name": text(cache.name)})
    return rows


def zones():
    for node in [prog["node_data"][0]]:
        for index in range(node.nr_zones.value_()):
            zone = node.node_zones[index].address_of_()
            if zone.spanned_pages:
                yield node, zone


def flags():
    return [(n, v) for n, v in prog.type("enum pageflags").enumerators if n != "__NR_PAGEFLAGS" and v >= 0]


def kmem_zones():
    return [{"node": node.node_id.value_(), "name": text(zone.name), "address": hexa(zone),
             "spanned": zone.spanned_pages.value_(), "present": zone.present_pages.value_(),
             "managed": zone.managed_pages.counter.value_(),
             "watermark": {n: zone._watermark[i].value_() for i, n in enumerate(("min", "low", "high"))},
             "lowmemReserve": [x.value_() for x in zone.lowmem_reserve]} for node, zone in zones()]


def kmem_free():
    types = [n for n, v in prog.type("enum migratetype").enumerators if n != "MIGRATE_TYPES"]
    out = []
    for _, zone in zones():
        lists = []
        for order, area in enumerate(zone.free_area):
            for kind in range(len(area.free_list)):
                blocks = sum(1 for _ in list_for_each_entry("struct page", area.free_list[kind].address_of_(), "buddy_list"))
                lists.append({"order": order, "head": hexa(area.free_list[kind].address_of_()), "blocks": blocks,
                              "pages": blocks << order})
        out.append({"name": text(zone.name), "lists": lists})
    return {"zones": out}


def kmem_vmalloc():
    rows = []
    for area in for_each_vmap_area(prog):
        start, end = area.va_start.value_(), area.va_end.value_()
        rows.append({"area": hexa(area), "vm": hexa(area.vm), "range": {"start": hexa(start), "end": hexa(end)},
                     "size": end - start, "pages": area.vm.nr_pages.value_() if area.vm else 0})
    return rows


def items(name):
    return [(n, v) for n, v in prog.type(name).enumerators if not n.startswith("NR_VM_")]


def counters():
    """What each CPU has not added yet included."""
    out = {}
    for name, value in items("enum zone_stat_item"):
        parts = [per_cpu_ptr(zone.per_cpu_zonestats, cpu).vm_stat_diff[value].value_() for _, zone in zones() for cpu in online]
        out[name] = max(0, prog["vm_zone_stat"][value].counter.value_() + sum(parts))
    for name, value in items("enum node_stat_item"):
        parts = [per_cpu_ptr(prog["node_data"][0].per_cpu_nodestats, cpu).vm_node_stat_diff[value].value_() for cpu in online]
        out[name] = max(0, prog["vm_node_stat"][value].counter.value_() + sum(parts))
    return {"counters": out}


def page_row(pfn):
    page = prog["vmemmap_base"].value_() + pfn * prog.type("struct page").size
    count = Object(prog, "struct page", address=page)._refcount.counter.value_()
    return {"page": hexa(page), "physical": brief(pfn * PAGE), "references": count}


say("kmem -V", counters)
say("kmem -g", lambda: [{"name": n, "bit": v} for n, v in flags()])
for pfn in (1, 16, 4096, 5000, 20000, 60000):
    say(f"kmem -p {pfn * PAGE:x}", lambda: page_row(pfn))
    say(f"ptov {pfn * PAGE:x}", lambda: [{"address": hexa(prog["page_offset_base"].value_() + pfn * PAGE)}])
say("kmem -s", kmem_slabs)
say("kmem -z", kmem_zones)
say("kmem -f", kmem_free)
say("kmem -v", kmem_vmalloc)
say("kmem -o", lambda: [{"cpu": cpu, "offset": "%x" % prog["__per_cpu_offset"][cpu].value_()} for cpu in online])
say("kmem -h", lambda: [{"hstate": hexa(h.address_of_()), "size": PAGE << h.order.value_(), "free": h.free_huge_pages.value_(),
                         "total": h.nr_huge_pages.value_(), "name": text(h.name)}
                        for h in (prog["hstates"][i] for i in range(prog["hugetlb_max_hstate"].value_()))])
say("kmem -i", lambda: {"committed": max(0, int(vm_memory_committed(prog))) * PAGE, "commitLimit": int(vm_commit_limit(prog)) * PAGE})
say("swap", lambda: [{"info": hexa(prog["swap_info"][i])} for i in range(prog["nr_swapfiles"].value_())
                     if prog["swap_info"][i].flags & 1])


# ---- lists of the machine
def irqs():
    rows = []
    for index, entry in entries(prog["sparse_irqs"]):
        desc = cast("struct irq_desc *", entry)
        actions, action = [], desc.action
        while action:
            actions.append({"action": hexa(action), "name": text(action.name)})
            action = action.next
        rows.append({"irq": index, "desc": hexa(desc), "actions": actions})
    return rows


def irq_counts():
    rows = []
    for index, entry in entries(prog["sparse_irqs"]):
        desc = cast("struct irq_desc *", entry)
        counts = [{"cpu": cpu, "count": per_cpu_ptr(desc.kstat_irqs, cpu).cnt.value_()} for cpu in online]
        if desc.action:
            rows.append({"irq": index, "counts": counts})
    return rows


def entries(tree):
    return [(first, entry) for first, _, entry in mt_for_each(tree.address_of_())]


def timers():
    names = ("BASE_LOCAL", "BASE_GLOBAL", "BASE_DEF")
    rows = []
    for cpu in online:
        for index, name in enumerate(names):
            base = per_cpu(prog["timer_bases"], cpu)[index]
            found = []
            for bucket in base.vectors:
                for timer in hlist_for_each_entry("struct timer_list", bucket.address_of_(), "entry"):
                    found.append({"timer": hexa(timer), "expires": timer.expires.value_(), "function": function(timer.function)})
            rows.append({"cpu": cpu, "base": hexa(base.address_of_()), "name": name, "timers": found})
    return {"jiffies": prog["jiffies_64"].value_(), "bases": rows}


def high_resolution_timers():
    rows = []
    # struct timerqueue_node holds a rb_node; since 7.1 struct timerqueue_linked_node a rb_node_linked, which holds one.
    inner = "node.node.node" if "linked" in (prog.type("struct hrtimer").member("node").type.tag or "") else "node.node"
    for cpu in online:
        for base in per_cpu(prog["hrtimer_bases"], cpu).clock_base:
            found = []
            root = base.active.rb_root
            while not root.type_.has_member("rb_node"):
                root = root.rb_root
            for timer in rbtree_inorder_for_each_entry("struct hrtimer", root, inner):
                found.append({"timer": hexa(timer), "expires": timer.node.expires.value_(),
                              "soft_expires": timer._softexpires.value_(), "function": function(timer.function)})
            rows.append({"cpu": cpu, "base": hexa(base.address_of_()), "timers": found})
    return rows


def system_calls():
    table = prog["sys_call_table"]
    return [{"number": i, "address": hexa(table[i])} for i in range(len(table))]


def resources(root):
    rows, stack = [], [root]
    while stack:
        at = stack.pop()
        rows.append({"resource": hexa(at), "name": text(at.name) if at.name else ""})
        if at.sibling:
            stack.append(at.sibling)
        if at.child:
            stack.append(at.child)
    return rows


def disks():
    return [{"gendisk": hexa(disk), "major": disk.major.value_(), "name": text(disk_name(disk)), "queue": hexa(disk.queue)}
            for disk in for_each_disk(prog)]


def log():
    return [{"time": ns(r.timestamp), "level": r.level, "facility": r.facility, "text": text(r.text)}
            for r in get_printk_records(prog)]


def modules():
    return [{"module": hexa(m), "name": text(m.name)} for m in list_for_each_entry("struct module", prog["modules"].address_of_(), "list")]


def sockets(task):
    rows = []
    if task.files:
        for fd, file in for_each_file(task):
            if file and file.f_op == prog["socket_file_ops"].address_of_():
                socket = cast("struct socket *", file.private_data)
                rows.append({"fd": fd, "socket": hexa(socket), "sock": hexa(socket.sk)})
    return rows


say("mount", lambda: [{"mount": hexa(m), "super_block": hexa(m.mnt.mnt_sb), "type": text(mount_fstype(m)),
                       "device": text(mount_src(m)), "directory": text(mount_dst(m))} for m in for_each_mount(prog)])
say("mod", modules)
say("irq", irqs)
say("irq -s", irq_counts)
say("irq -b", lambda: [{"vector": i, "action": hexa(v.action), "function": function(v.action)}
                       for i, v in enumerate(prog["softirq_vec"])])
say("timer", timers)
say("timer -r", high_resolution_timers)
say("net", lambda: [{"device": hexa(d), "name": text(d.name)} for d in for_each_netdev(prog["init_net"].address_of_())])
say("foreach net -s", lambda: [{"task": name_of(t), "sockets": sockets(t)} for t in tasks])
def queue(name):
    head = prog[name]
    rows = []
    for entry in list_for_each_entry("struct wait_queue_entry", head.head.address_of_(), "entry"):
        rows.append({"entry": hexa(entry), "function": function(entry.func)})
    return {"queue": hexa(head.address_of_()), "entries": rows}


def words_equal(value):
    """All addresses in the direct map, and in the kernel's own image, at which a word is."""
    base, start = prog["page_offset_base"].value_(), prog.symbol("_text").address
    end = prog.symbol("_end").address
    return sorted(at for at in prog.search_memory_u64(value) if base <= at < base + (1 << 46) or start <= at < end)


def devices():
    rows = []
    for bus in list_for_each_entry("struct pci_bus", prog["pci_root_buses"].address_of_(), "node"):
        found = [{"address": hexa(d), "name": text(d.dev.kobj.name), "class": d.member_("class").value_() >> 8,
                  "vendor": d.vendor.value_(), "device": d.device.value_()}
                 for d in list_for_each_entry("struct pci_dev", bus.devices.address_of_(), "bus_list")]
        rows.append({"bus": hexa(bus), "devices": found})
    return rows


def users_of(path):
    """Tasks that have the file open or mapped, or stand in it."""
    out = []
    for task in tasks:
        if not task.fs:
            continue
        ways = set()
        if text(d_path(task.fs.root)) == path or text(d_path(task.fs.pwd)) == path:
            ways.add("at")
        if task.files and any(file and text(d_path(file.f_path)) == path for _, file in for_each_file(task)):
            ways.add("fd")
        if task.mm and any(vma.vm_file and text(d_path(vma.vm_file.f_path)) == path for vma in for_each_vma(task.mm)):
            ways.add("mmap")
        if ways:
            out.append({"task": hexa(task), "pid": task.pid.value_(), "comm": text(task.comm)})
    return out


for name in ("kauditd_wait", "log_wait", "kswapd_wait", "md_recovery_wait", "oom_reaper_wait"):
    try:
        if prog[name].type_.tag == "wait_queue_head" or prog[name].type_.type_name() == "wait_queue_head_t":
            say(f"waitq {name}", lambda: queue(name))
    except (LookupError, AttributeError):
        pass
for name in ("schedule", "init_task", "jiffies_64", "do_exit", "__x64_sys_read", "runqueues", "init_uts_ns", "vfs_read"):
    say(f"sym {name}", lambda: [{"address": hexa(prog.symbol(name).address)}])
say("dev -p", devices)
for path in ("/bin/busybox", "/dev/null"):
    say(f"fuser {path}", lambda: users_of(path))
say("dev -d", disks)
say("dev -i", lambda: [resources(prog["ioport_resource"].address_of_()), resources(prog["iomem_resource"].address_of_())])
say("log", log)
say("sys -c", system_calls)
say("sys -t", lambda: {"mask": brief(prog["tainted_mask"])})
say("sys", lambda: {"tasks": len(tasks), "nodename": text(prog["init_uts_ns"].name.nodename),
                    "release": text(prog["init_uts_ns"].name.release), "version": text(prog["init_uts_ns"].name.version),
                    "cpus": {"online": len(online)}, "uptime": {"uptime": ns(ktime_get_coarse_boottime_ns(prog))}})


# ---- values
def value_of(obj):
    """As --json has it: structures by member, characters as text, pointers as addresses."""
    kind = obj.type_.kind
    if kind == TypeKind.TYPEDEF:
        return value_of(Object(prog, obj.type_.type, **where(obj)))
    if kind in (TypeKind.STRUCT, TypeKind.UNION, TypeKind.CLASS):
        if obj.type_.members is None:
            return None
        out = {}
        for member in obj.type_.members:
            if member.name is None:
                inner = value_of(anonymous(obj, member))
                if isinstance(inner, dict):
                    out.update(inner)
            else:
                out[member.name] = value_of(obj.member_(member.name))
        return out
    if kind == TypeKind.ARRAY:
        if not obj.type_.length:
            return []
        inner = obj.type_.type
        while inner.kind == TypeKind.TYPEDEF:
            inner = inner.type
        if inner.kind == TypeKind.INT and inner.name == "char":
            return text(obj)
        return [value_of(each) for each in obj]
    if kind == TypeKind.POINTER:
        return hexa(obj.value_())
    value = obj.value_()
    if kind == TypeKind.ENUM:
        return next((name for name, number in obj.type_.enumerators or () if number == value), int(value))
    return bool(value) if kind == TypeKind.BOOL else int(value) if isinstance(value, int) or hasattr(value, "__int__") else value


def where(obj):
    at = {"address": obj.address_}
    if obj.bit_field_size_ is not None:
        at["bit_field_size"] = obj.bit_field_size_
        at["bit_offset"] = obj.bit_offset_
    return at


def anonymous(obj, member):
    return Object(prog, member.type, address=obj.address_ + member.bit_offset // 8)


def structure(kind, address):
    return [{"address": hexa(address), "value": value_of(Object(prog, kind, address=int(address)))}]


def maple(tree):
    return [{"address": hexa(entry), "position": f"{hexa(first)}-{hexa(last)}"} for first, last, entry in mt_for_each(tree)]


init = next(task for task in tasks if task.pid == 1)
for task in (prog["init_task"].address_of_(), init, cpu_curr(prog, online[-1])):
    say(f"struct task_struct {int(task):x}", lambda: structure("struct task_struct", task))
    say(f"task {int(task):x}", lambda: [{"task": name_of(task)}])
    say(f"set {int(task):x}", lambda: {"pid": task.pid.value_(), "task": hexa(task), "comm": text(task.comm)})
for kind, address in (("mm_struct", init.mm), ("files_struct", init.files), ("signal_struct", init.signal),
                      ("super_block", init.fs.root.mnt.mnt_sb), ("inode", init.fs.root.dentry.d_inode),
                      ("dentry", init.fs.root.dentry), ("rq", cpu_rq(prog, 0)), ("pglist_data", prog["node_data"][0]),
                      ("net_device", next(iter(for_each_netdev(prog["init_net"].address_of_())))),
                      ("kmem_cache", next(iter(for_each_slab_cache(prog)))), ("cred", init.cred), ("nsproxy", init.nsproxy),
                      ("file", next(file for _, file in for_each_file(init) if file))):
    say(f"struct {kind} {int(address):x}", lambda: structure(f"struct {kind}", address))
    say(f"vtop {int(address):x}", lambda: [{"address": hexa(address), "physical": brief(follow_phys(prog["init_mm"].address_of_(), int(address)))}])
    say(f"rd {int(address):x} 16", lambda: {"address": hexa(address), "units": [
        hexa(x) for x in Object(prog, "unsigned long [16]", address=int(address)).value_()]})
say(f"tree -t maple -r mm_struct.mm_mt {int(init.mm):x}", lambda: maple(init.mm.mm_mt.address_of_()))
say("list -H init_task.tasks", lambda: [hexa(task.tasks.address_of_())
                                        for task in list_for_each_entry("struct task_struct", prog["init_task"].tasks.address_of_(), "tasks")])
say("list -H modules", lambda: [hexa(m.list.address_of_()) for m in list_for_each_entry("struct module", prog["modules"].address_of_(), "list")])
for variable in ("jiffies_64", "nr_threads", "init_uts_ns", "init_mm", "totalram_pages", "tainted_mask", "avenrun",
                 "max_pfn", "nr_cpu_ids", "init_task", "init_nsproxy", "init_cred", "init_net", "saved_command_line",
                 "vm_committed_as", "super_blocks", "slab_caches", "total_swap_pages", "min_free_kbytes"):
    try:
        variable_of = prog.variable(variable)
    except LookupError:
        continue
    say(f"p {variable}", lambda: {"value": value_of(variable_of)})
say("p runqueues:a", lambda: [{"cpu": cpu, "value": value_of(per_cpu(prog["runqueues"], cpu))} for cpu in online])


def exact(value):
    """Numbers that JSON's readers would round, as text."""
    if isinstance(value, dict):
        return {key: exact(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [exact(inner) for inner in value]
    return str(value) if isinstance(value, int) and abs(value) >= 1 << 53 else value


json.dump(exact(said), sys.stdout)
