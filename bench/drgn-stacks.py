"""What drgn is timed with: the kernel stack of every task, with the kernel's debug information.

drgn-stacks.py DUMP VMLINUX; needs drgn. The first line names the versions, the last counts the tasks.
"""

import sys

import drgn
from drgn.helpers.linux.pid import for_each_task


def main() -> None:
    dump, vmlinux = sys.argv[1:3]
    print(f"drgn {drgn.__version__}, Python {sys.version.split()[0]}")
    prog = drgn.Program()
    prog.set_core_dump(dump)
    prog.load_debug_info([vmlinux])
    tasks = 0
    for task in for_each_task(prog):
        print(task.pid.value_(), task.comm.string_().decode(errors="replace"))
        print(prog.stack_trace(task))
        tasks += 1
    print(tasks, "tasks")


main()
