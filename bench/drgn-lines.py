"""What drgn is timed with: the kernel stack of one task, with lines of source.

drgn-lines.py DUMP VMLINUX; needs drgn. The first line names the versions.
"""

import sys

import drgn
from drgn.helpers.linux.pid import find_task


def main() -> None:
    dump, vmlinux = sys.argv[1:3]
    print(f"drgn {drgn.__version__}, Python {sys.version.split()[0]}")
    prog = drgn.Program()
    prog.set_core_dump(dump)
    prog.load_debug_info([vmlinux])
    print(prog.stack_trace(find_task(prog, 1)))


main()
