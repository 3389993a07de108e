"""Runs a command; its wall time and what the kernel accounted for it go to a file, as JSON.

rusage.py FILE COMMAND [ARG ...]; exits as the command does. ru_maxrss is in KiB on Linux and has this small
interpreter as its floor, instead of the large process that asks.
"""

import json
import os
import sys
import time


def main() -> None:
    out, *command = sys.argv[1:]
    start = time.perf_counter_ns()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter_ns() - start
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"wall": wall / 1e6, "cpu": (usage.ru_utime + usage.ru_stime) * 1e3, "peak": usage.ru_maxrss * 1024}, file)
    sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)


main()
