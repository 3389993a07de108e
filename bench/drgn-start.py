"""What drgn is timed with: until it could be asked something, with the kernel's debug information.

drgn-start.py DUMP VMLINUX; needs drgn. The first line names the versions.
"""

import sys

import drgn


def main() -> None:
    dump, vmlinux = sys.argv[1:3]
    print(f"drgn {drgn.__version__}, Python {sys.version.split()[0]}")
    prog = drgn.Program()
    prog.set_core_dump(dump)
    prog.load_debug_info([vmlinux])
    print(prog["init_task"].comm.string_().decode(errors="replace"))


main()
