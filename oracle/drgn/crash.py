"""What drgn, objdump and the log say of the instruction that a kernel crashed at or is stuck in, as JSON on standard output.

crash.py DUMP VMLINUX PID [oops]: the instruction is the innermost one of the task's stack that an exception or interrupt cut,
beside where the CPU saved its registers for the dump, and what task it is; the last panic of the log; of an oops also taken apart by objdump, its operand computed from the
registers of that frame, and the same as the kernel's log has it.
The keys are those of oracle/ours/crash.ts. A module's functions come from its own symbol table in the dump.
"""

import json
import re
import subprocess
import sys
import tempfile

from drgn import Program
from drgn.helpers.linux.module import for_each_module, module_address_regions
from drgn.helpers.linux.pid import find_task
from drgn.helpers.linux.printk import get_printk_records
from drgn.helpers.linux.sched import task_cpu

dump, vmlinux, pid = sys.argv[1:4]
prog = Program()
prog.set_core_dump(dump)
prog.load_debug_info([vmlinux])
oops = "oops" in sys.argv[4:]
answers = {}


def say(key, value):
    if value is not None:
        answers[key] = str(value)


def hexa(value):
    return "0x%016x" % (int(value) & 0xFFFFFFFFFFFFFFFF)


def module_symbol(pc):
    """Name and start of the function of a module, and the module's name, from `struct mod_kallsyms`."""
    for module in for_each_module(prog):
        if not any(start <= pc < start + size for start, size in module_address_regions(module)):
            continue
        best = None
        kallsyms = module.kallsyms
        for i in range(kallsyms.num_symtab.value_()):
            symbol = kallsyms.symtab[i]
            start = symbol.st_value.value_()
            # STT_FUNC alone: mapping symbols and sections have values as well.
            if start <= pc and symbol.st_info.value_() & 15 in (0, 2) and symbol.st_shndx.value_() != 0:
                name = prog.read_c_string(kallsyms.strtab.value_() + symbol.st_name.value_()).decode()
                if name and (best is None or start > best[1]):
                    best = (name, start)
        if best is not None:
            return best[0], best[1], module.name.string_().decode()
    return None


def function_at(pc):
    found = module_symbol(pc)
    if found is not None:
        return f"{found[0]}+0x{pc - found[1]:x} [{found[2]}]"
    symbol = prog.symbol(pc)
    return f"{symbol.name}+0x{pc - symbol.address:x}"


def disassembled(pc):
    """Bytes and text of one instruction, by objdump."""
    code = prog.read(pc, 16)
    with tempfile.NamedTemporaryFile() as file:
        file.write(code)
        file.flush()
        command = ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-w", f"--adjust-vma={pc:#x}", file.name]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    for line in lines:
        parts = line.split("\t")
        if len(parts) >= 3 and int(parts[0].strip().rstrip(":"), 16) == pc:
            return parts[1].replace(" ", ""), " ".join(parts[2].split("#")[0].split())
    return None, None


def operand(text, registers):
    """The address that the memory operand makes of the registers, and whether it is read or written."""
    found = re.search(r"(-?0x[0-9a-f]+)?\((%\w+)?(?:,(%\w+),([1248]))?\)", text)
    if found is None or found.group(2) == "%rip":
        return None, None
    address = int(found.group(1) or "0", 16)
    for name, factor in ((found.group(2), 1), (found.group(3), int(found.group(4) or 1))):
        if name is not None:
            address += registers[name[1:]] * factor
    access = None
    if text.startswith("mov"):
        access = "write" if text.endswith(found.group(0)) else "read"
    elif re.match(r"(cmp|test|push|call|jmp|bt)\w?\b", text):
        access = "read"
    return hexa(address), access


def stack_answers():
    frames = [frame for frame in prog.stack_trace(int(pid)) if frame.pc >= 1 << 63]
    # The CPU that makes the dump saves its registers in the middle of that.
    while function_at(frames[0].pc).startswith("__crash_kexec+"):
        frames = frames[1:]
    cut = [frame for frame in frames if frame.interrupted]
    frame = cut[0] if cut else frames[0]
    say("function", function_at(frame.pc))
    say("instruction", hexa(frame.pc))
    task = find_task(prog, int(pid))
    say("cpu", task_cpu(task))
    say("comm", task.comm.string_().decode())
    if not oops:
        return
    code, text = disassembled(frame.pc)
    say("bytes", code)
    say("text", text)
    address, access = operand(text, frame.registers())
    say("operand", address)
    say("access", access)


def log_lines():
    return [line for record in get_printk_records(prog) for line in record.text.decode(errors="replace").split("\n")]


def panic_answer():
    for line in log_lines():
        panic = re.match(r"Kernel panic - not syncing: (.*)", line)
        if panic is not None:
            say("log panic", panic.group(1))


def log_answers():
    for line in log_lines():
        context = re.match(r"CPU: (\d+) (?:UID: \d+ )?PID: (\d+) Comm: ", line)
        if context is not None:
            # Of a task that is no more, the finding tells no CPU.
            say("log cpu", context.group(1) if pid != "0" else None)
            say("log pid", context.group(2))
        place = re.match(r"RIP: 0010:([\w.]+)\+0x([0-9a-f]+)/0x[0-9a-f]+(?: \[(\w+)\])?", line)
        if place is not None:
            module = f" [{place.group(3)}]" if place.group(3) else ""
            say("log function", f"{place.group(1)}+0x{place.group(2)}{module}")
        fault = re.search(r"(?:dereference, address: |page fault for address: |non-canonical address (?:0x)?)([0-9a-f]{16})", line)
        if fault is not None:
            say("log faulting address", "0x" + fault.group(1))
        access = re.match(r"#PF: \w+ (read|write)", line)
        if access is not None:
            say("log access", access.group(1))


if pid != "0":
    stack_answers()
if oops:
    log_answers()
panic_answer()
json.dump({"crash": answers}, sys.stdout)
