"""What drgn is timed with: every task with its parent, state and resident memory, with the kernel's debug information.

drgn-tasks.py DUMP VMLINUX; needs drgn. The first line names the versions, the last counts the tasks.
"""

import sys

import drgn
from drgn.helpers.linux.mm import task_rss
from drgn.helpers.linux.pid import for_each_task
from drgn.helpers.linux.sched import task_state_to_char


def main() -> None:
    dump, vmlinux = sys.argv[1:3]
    print(f"drgn {drgn.__version__}, Python {sys.version.split()[0]}")
    prog = drgn.Program()
    prog.set_core_dump(dump)
    prog.load_debug_info([vmlinux])
    tasks = 0
    for task in for_each_task(prog):
        rss = task_rss(task).total if task.mm else 0
        name = task.comm.string_().decode(errors="replace")
        print(task.pid.value_(), task.real_parent.tgid.value_(), task_state_to_char(task), rss, name)
        tasks += 1
    print(tasks, "tasks")


main()
