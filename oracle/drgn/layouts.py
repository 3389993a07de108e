"""The layout of types as drgn reads it from DWARF, as JSON on standard output: 'struct a' -> layout.

layouts.py VMLINUX; the names are lines of standard input. A layout is the size, and of each member, anonymous structs
and unions opened, its name, its place in bits and a bit field's width; for an enum its size and enumerators. Names that
DWARF has no type of are left out.
"""

import json
import sys

from drgn import Program, TypeKind

prog = Program()
# There is no dump that would make it the kernel's own file.
module = prog.extra_module("vmlinux", create=True)
(module[0] if isinstance(module, tuple) else module).try_file(sys.argv[1], force=True)
COMPOUND = (TypeKind.STRUCT, TypeKind.UNION)


def anonymous(of):
    while of.kind == TypeKind.ARRAY:
        of = of.type
    return of if of.kind in COMPOUND and of.tag is None else None


def members(of, base):
    for member in of.members:
        yield f"{member.name or ''}@{base + member.bit_offset}:{member.bit_field_size or 0}"
        opened = anonymous(member.type)
        if opened is not None:
            yield from members(opened, base + member.bit_offset)


def layout(of):
    if of.kind == TypeKind.ENUM:
        return f"{of.type.size}: " + " ".join(f"{e.name}={e.value}" for e in of.enumerators)
    return f"{of.size}: {' '.join(members(of, 0))}".strip()


answers = {}
for line in sys.stdin:
    try:
        found = prog.type(line.strip())
        if found.is_complete():
            answers[line.strip()] = layout(found)
    except LookupError:
        pass
json.dump({"DWARF layouts": answers}, sys.stdout)
