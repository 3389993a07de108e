/**
 * Why lines that crash answers are not among ours: for which commands, what such a line looks like, and the row of
 * docs/crash-differences.md that says more. A line that fits none is unexplained, and ends the run with status 1.
 */
export interface Reason {
  readonly commands: RegExp;
  /** Lines of crash's answer. */
  readonly lines: RegExp;
  readonly row: string;
}

const STACK = /^(bt|foreach .*bt)/;

export const REASONS: readonly Reason[] = [
  { commands: /^sys$/, lines: /^ (KERNEL|DUMPFILE): |^ UPTIME: /, row: '`sys` UPTIME' },
  { commands: /^log -T/, lines: /^\[\w{3} \w{3} /, row: '`log -T`' },
  { commands: /^dev -V/, lines: /^dev: no device dumps found in this dumpfile$/, row: 'messages' },
  { commands: /^log -a/, lines: /^log: kernel audit log is empty$/, row: 'messages' },
  { commands: /^(foreach .*)?ps -[lm]/, lines: /^(\[\d+ \d\d:\d\d:\d\d\.\d{3}\] |CPU )/, row: '`ps -m`' },
  { commands: /^ps -t/, lines: /^ RUN TIME: /, row: '`sys` UPTIME, `ps -t` RUN TIME' },
  { commands: /^ps -a/, lines: /^ps: cannot access user stack address: /, row: 'messages' },
  // The lines of the return address, and of what follows an inlined function's end.
  { commands: /^bt -l/, lines: /^ \S+\.[chS]: \d+$/, row: '`bt -l`' },
  {
    commands: /^bt -E/,
    lines:
      /^ (KERNEL-MODE EXCEPTION FRAME AT: [0-9a-f]{16}|\[exception RIP: .*|(RIP|RAX|RDX|RBP|R10|R13|ORIG_RAX): .*)$|^$/,
    row: '`bt -E`',
  },
  {
    commands: STACK,
    lines:
      /^ ?#\d+ \[[0-9a-f]{16}\] (machine_kexec|__?crash_kexec|panic|(__)?crash_nmi_callback|nmi_handle|default_do_nmi|exc_nmi|do_nmi|end_repeat_nmi|sysrq_handle_crash|__handle_sysrq)[.+ \w]* at /,
    row: '`bt`, `foreach bt` of a task on a CPU',
  },
  // What follows these frames has other numbers then, and the registers are those of the NMI.
  {
    commands: STACK,
    lines: /^ ?#\d+ \[[0-9a-f]{16}\] \S+ at [0-9a-f]{16}/,
    row: '`bt`, `foreach bt` of a task on a CPU',
  },
  {
    commands: STACK,
    lines:
      /^ (\[exception RIP: |(RIP|RAX|RDX|RBP|R10|R13|ORIG_RAX): )|^--- <(NMI exception|\w+) stack> ---$|^$|^PID: \d+ TASK: /,
    row: '`bt`, `foreach bt` of a task on a CPU',
  },
  { commands: /^bt -(F|FF|r) /, lines: /^ ?[0-9a-f]{16}: /, row: '`bt -F`, `rd -s`, values with symbols' },
  { commands: /^kmem -[iVz]/, lines: /^ (COMMITTED|\w+:) /, row: '`kmem -i` COMMITTED; counters of `kmem -z`, `-V`' },
  {
    commands: /^kmem -[zfF]/,
    lines: /^( ?NODE: \d+ ZONE: \d+ ADDR: [0-9a-f]+ NAME: "\w+"| \[unpopulated\]|)$/,
    row: '`kmem -z`, `-f`',
  },
  {
    commands: /^kmem( -[fF]| [0-9a-f]+$)/,
    lines: /^(ZONE NAME SIZE FREE| \d+ \w+ \d+ \d+ [0-9a-f]+ [0-9a-f]+ \d+$)/,
    row: '`kmem -f` START_MAPNR',
  },
  { commands: /^kmem -n/, lines: /UNKNOWN \d+$/, row: '`kmem -n` since 6.12' },
  { commands: /^kmem -S/, lines: /^ {1,2}\[?[0-9a-f]{16}\]? ?(\(cpu \d+ cache\))?$|^ \(empty\)$/, row: '`kmem -S`' },
  { commands: /^kmem -[sS] -I/, lines: / \[IGNORED\] /, row: '`kmem -s -I`' },
  { commands: /^sys -c/, lines: / __do_sys_ni_syscall /, row: '`bt -F`, `rd -s`, values with symbols' },
  { commands: /^kmem -s [0-9a-f]+$/, lines: /^kmem: address is not allocated in slab subsystem: /, row: 'messages' },
  {
    commands: /^kmem (init_task|schedule)/,
    lines: /^(Usage:| kmem | \[\[|Enter "help)/,
    row: '`struct`, `list`, `vtop`, `waitq`',
  },
  {
    commands: /^(struct|list) .*init_task\.tasks/,
    lines: /^(symbol not found|possible alternatives| \(none found\)|list: invalid argument)/,
    row: '`struct`, `list`, `vtop`, `waitq`',
  },
  { commands: /^struct .* -u/, lines: /invalid user virtual address/, row: 'messages' },
  {
    commands: /^dis/,
    lines: /: (nopl 0x0\(%rax,%rax,1\)|xchg %ax,%ax|(call|add|mov|jmp) .*)( \[FTRACE NOP\])?$/,
    row: '`dis`',
  },
  { commands: /^rd -[sS]/, lines: /^[0-9a-f]{16}: /, row: '`bt -F`, `rd -s`, values with symbols' },
  { commands: /^rd -N/, lines: /^[0-9a-f]{16}: /, row: '`rd -N` with units of 64 bits' },
  { commands: /^rd -p/, lines: /^rd: seek error: /, row: '`sym symbol+offset`, `rd -p`' },
  // Symbols of the image alone: per-CPU ones by their offsets, and those that kallsyms leaves out.
  { commands: /^sym -l/, lines: /^[0-9a-f]{1,5} \([A-Za-z]\) /, row: '`sym` letters and symbols' },
  { commands: /^sym -[mM]/, lines: /^[0-9a-f]{16} \([A-Za-z?]\) /, row: '`sym` letters and symbols' },
  {
    commands: /^sym schedule\+5/,
    lines: /^(symbol not found|possible alternatives| \(none found\))/,
    row: '`sym symbol+offset`, `rd -p`',
  },
  { commands: /^set -v/, lines: /^ [\w-]+: /, row: '`set -v`' },
  { commands: /^whatis jiffies/, lines: /^volatile unsigned long jiffies;$/, row: '`whatis` of a static variable' },
  { commands: /^mod$/, lines: /\(not loaded\) \[CONFIG_KALLSYMS\]$/, row: '`mod` OBJECT FILE' },
  { commands: /^vm -f/, lines: /^[0-9a-f]+: \(READ\|EXEC/, row: '`vm -f`' },
  {
    commands: /^(vtop|waitq|tree)/,
    lines: /^(vtop: invalid input|must supply an address|tree: invalid start argument)/,
    row: '`struct`, `list`, `vtop`, `waitq`',
  },
  { commands: /^mount proc/, lines: / rootfs rootfs \/$/, row: '`mount NAME`' },
  {
    commands: /^mach$/,
    lines: /^( HZ: 1000| \(unknown\) STACKS?( SIZE)?:.*| CPU \d+: [0-9a-f]{16} \[unavailable\])$/,
    row: '`mach` HZ; stacks of MCE',
  },
  { commands: /^timer/, lines: /^TIMER_BASES\[\d+\]\[BASE_(STD|DEF)\]: /, row: '`timer` since 6.10' },
  { commands: /^timer/, lines: /^( \d+|( -?\d+){3} [0-9a-f]{16} .*)$/, row: '`timer -r` CURRENT, TTE' },
  { commands: /^runq -T/, lines: /^ CPU \d+: \d+\.\d\d secs$/, row: '`ps -m`' },
  { commands: /^pte 25/, lines: /^ 25 0 \(PRESENT\|USER\|ACCESSED\)$/, row: '`pte` of PROTNONE' },
  { commands: /^eval 0x100 \| 1/, lines: /^crash: pipe operation failed$/, row: 'messages' },
  { commands: /^ascii$/, lines: /^ [07DF] \| /, row: '`ascii`' },
  { commands: /^fuser/, lines: /^ \d+ [0-9a-f]{16} "[^"]*$/, row: '`fuser`' },
  { commands: /^dev$/, lines: /^ \d+ \w+ \(none\)$/, row: '`dev` of a disk on 5.10' },
  { commands: /^dev -[dD]/, lines: /^MAJOR GENDISK NAME REQUEST_QUEUE TOTAL ASYNC SYNC$/, row: '`dev -d` on 5.10' },
];

/** The row that tells why; undefined when none does. */
export function reasonOf(command: string, line: string): string | undefined {
  return REASONS.find((each) => each.commands.test(command) && each.lines.test(line))?.row;
}
