#!/usr/bin/env python3
"""Checks a manifest against its dump with drgn and the kernel's debug information: by code that did not make it.

usage: check.py VMLINUX FOLDER [FILE]    (drgn 0.0.30 or newer)

Every task must exist under its pid and name, every address must be what the manifest calls it, and every waiter that
was counted must be on the lock's queue. Prints one line per statement and exits with 1 when one is false.
"""
import json
import os
import sys

from drgn import Object, Program, cast, container_of
from drgn.helpers.linux.fs import for_each_file
from drgn.helpers.linux.cpumask import for_each_online_cpu
from drgn.helpers.linux.percpu import per_cpu, per_cpu_ptr, percpu_counter_sum
from drgn.helpers.linux.slab import slab_cache_usage, slab_object_info
from drgn.helpers.linux.list import list_for_each_entry
from drgn.helpers.linux.pid import find_task, for_each_task
from drgn.helpers.linux.fs import inode_path

folder = sys.argv[2]
manifest = json.load(open(os.path.join(folder, 'manifest.json')))
file = sys.argv[3] if len(sys.argv) > 3 else manifest['files'][0]
prog = Program()
prog.set_core_dump(os.path.join(folder, file))
prog.load_debug_info([sys.argv[1]])
failed = 0


def say(ok, text):
    global failed
    failed += not ok
    print('ok  ' if ok else 'BAD ', text)


def waiters(lock, kind):
    return list(list_for_each_entry(f'struct {kind}_waiter', lock.wait_list.address_of_(), 'list'))


for task in manifest['tasks'] + [d for d in manifest['decoys'] if d['pid']]:
    found = find_task(prog, task['pid'])
    comm = found.comm.string_().decode() if found else None
    say(comm == task['comm'], f"{task.get('role', 'decoy')}: pid {task['pid']} is {comm}")
    if found:
        try:
            stack = ' < '.join(f.name or '?' for f in list(prog.stack_trace(found))[:12])
        except Exception as error:
            stack = str(error)
        state = found.member_('__state' if hasattr(found, '__state') else 'state').value_()
        print('      state', state, stack)

queues = 0
for address in manifest['addresses']:
    kind = address['ctype'].replace('struct ', '')
    value = int(address['address'], 16)
    named = next((t for t in manifest['tasks'] if t['role'] == address['role']), None)
    if kind == 'task_struct':
        task = find_task(prog, named['pid'])
        say(task.value_() == value, f"task_struct of {named['pid']} is {task.value_():#x}")
    elif kind == 'rw_semaphore':
        lock = Object(prog, 'struct rw_semaphore', address=value)
        queue = waiters(lock, 'rwsem')
        queues += len(queue)
        owner = lock.owner.counter.value_()
        holder = Object(prog, 'struct task_struct *', value=owner & ~7)
        names = {}
        for w in queue:
            key = w.task.comm.string_().decode(), 'read' if w.type.value_() else 'write'
            names[key] = names.get(key, 0) + 1
        owned = f'{holder.comm.string_().decode()} {holder.pid.value_()}' if holder else 'nobody'
        say(True, f"rw_semaphore {value:#x}: count {lock.count.counter.value_():#x}, owner {owned}, {len(queue)} waiters {names}")
        culprits = [t['pid'] for t in manifest['expected'].get('culprits', [])]
        if address['role'] == 'resource':
            say(holder.pid.value_() in culprits, 'its owner is the culprit')
        if 'i_rwsem' in address['what']:
            inode = container_of(lock.address_of_(), 'struct inode', 'i_rwsem')
            path = inode_path(inode)
            path = path.decode() if path is not None else None
            want = manifest['texts'].get('folder', '')
            say(path is not None and want.endswith(path), f"the inode is {path} of {inode.i_sb.s_type.name.string_().decode()}, told {want}")
        if 'mmap_lock' in address['what']:
            mm = container_of(lock.address_of_(), 'struct mm_struct', 'mmap_lock')
            say(mm.owner.pid.value_() in culprits, f"the mm is that of {mm.owner.pid.value_()}")
    elif kind == 'mutex':
        lock = Object(prog, 'struct mutex', address=value)
        queue = waiters(lock, 'mutex')
        queues += len(queue)
        holder = Object(prog, 'struct task_struct *', value=lock.owner.counter.value_() & ~7)
        culprits = [t['pid'] for t in manifest['expected'].get('culprits', [])]
        say(holder.pid.value_() in culprits, f"mutex {value:#x}: owner {holder.comm.string_().decode()} {holder.pid.value_()}, "
            f"waiters {[(w.task.comm.string_().decode(), w.task.pid.value_()) for w in queue][:6]} ({len(queue)})")
    elif kind == 'packet':
        info = slab_object_info(prog, value)
        where = None if info is None else (info.address, info.slab_cache.name.string_().decode())
        say(where == (value, 'packetdev'), f"{address['role']}: object and cache {where}")
        if info is not None and address['role'] in ('resource', 'object'):
            free = 'is in use' if info.allocated else 'is free'
            print('      it', free, 'and holds', prog.read(value, info.slab_cache.inuse.value_()).hex())
    elif kind == 'kmem_cache' and manifest['texts'].get('module') == 'packetdev':
        cache = Object(prog, 'struct kmem_cache *', value=value)
        say(cache.name.string_().decode() == 'packetdev', f'the cache is {cache.name.string_().decode()}')
        for cpu in for_each_online_cpu(prog):
            first = per_cpu_ptr(cache.cpu_slab, cpu).freelist.value_()
            print(f'      the free objects of CPU {cpu} begin at {first:#x}')
    elif kind == 'void' and 'bank' in manifest['counts']:
        seen = per_cpu(prog['mces_seen'], manifest['counts']['cpu'])
        status, bank, told = seen.status.value_(), seen.bank.value_(), int(manifest['texts']['status'], 16)
        say((status, bank, seen.addr.value_()) == (told, manifest['counts']['bank'], value) or (status == 0 and seen.mcgstatus.value_() & 4),
            f'mces_seen: status {status:#x}, bank {bank}, address {seen.addr.value_():#x}, mcgstatus {seen.mcgstatus.value_()}')
    elif kind == 'kmem_cache':
        cache = Object(prog, 'struct kmem_cache *', value=value)
        name = cache.name.string_().decode()
        usage = slab_cache_usage(cache)
        records = manifest['counts']['records leaked']
        say(name == manifest['texts']['cache'], f'the cache is {name}')
        say(records <= usage.num_objs <= records * 1.2 + 20000, f'{usage.num_objs} objects in its slabs, {records} leaked')
    elif kind == 'super_block':
        sb = Object(prog, 'struct super_block *', value=value)
        info = cast('struct shmem_sb_info *', sb.s_fs_info)
        used = percpu_counter_sum(info.used_blocks.address_of_()) * 4096
        told = manifest['counts']['bytes in deleted files']
        say(used >= told, f"{sb.s_type.name.string_().decode()} uses {used} bytes, {told} of them in deleted files as told")
        culprit = find_task(prog, manifest['expected']['culprits'][0]['pid'])
        files = {f.f_inode.value_(): f.f_inode for _, f in for_each_file(culprit) if f.f_inode.i_sb == sb}
        deleted = [i for i in files.values() if i.i_nlink.value_() == 0]
        size = sum(i.i_size.value_() for i in deleted)
        say(size == told and len(deleted) == manifest['counts']['deleted files'],
            f'the culprit keeps {len(deleted)} deleted files of {size} bytes open')
    elif kind == 'inode':
        say(Object(prog, 'struct inode', address=value).i_nlink.value_() == 0, f'inode {value:#x} has no name left')
    elif kind == 'void':
        pcs = [f.pc for f in prog.stack_trace(find_task(prog, manifest['expected']['culprits'][0]['pid']))]
        say(any(value <= pc < value + 64 for pc in pcs), f"{value:#x} is on the culprit's stack: {pcs[0]:#x}")
    else:
        say(False, f'nobody knows how to check {address}')
if 'waiters' in manifest['counts']:
    say(manifest['counts']['waiters'] == queues, f"{queues} waiters on the queues, told {manifest['counts']['waiters']}")
states = {}
for task in for_each_task(prog):
    state = task.member_('__state' if hasattr(task, '__state') else 'state').value_()
    states[state] = states.get(state, 0) + 1
print('      tasks by state', states)
sys.exit(failed > 0)
