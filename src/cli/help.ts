/** What `--help` and `--version` print. */
import manifest from '../../package.json' with { type: 'json' };

export const versionText = `kwhy ${manifest.version}\n`;

export const helpText = `kwhy opens a Linux kernel crash dump (vmcore) and says why the machine hung.

usage: kwhy VMCORE [options]
       kwhy PART... [options]    the files of a split dump, in any order; or a folder with one dump
       kwhy VMCORE VMLINUX       with the types of a vmlinux (docs/debuginfo.md)
       kwhy check VMCORE         what the file is, how sound and complete, and what that costs
       kwhy run VMCORE -c CMD    commands of the shell, spelled as in crash (kwhy run --help)
       kwhy shell VMCORE         the same commands at a prompt
       kwhy types VMLINUX -o OUT write its types into a small file, to be given in its place
       kwhy slim VMCORE -o OUT   write a small dump with the same report (kwhy slim --help)

  --json                  the same as versioned JSON (docs/json-schema.md)
  -o, --output FILE       write to FILE, whole or not at all
  --debuginfo WHERE       a vmlinux or type pack, a folder or address of such, or auto
  --without btf,orc       leave aside the types or the unwind tables in the dump, or both
  --plugin FILE           a program of your own with commands or detectors (docs/library.md)
  --time-limit SECONDS    show what is known by then, marked as partial (--timeout is the same)
  --width COLUMNS         wrap text at this width (default: the terminal's, at most 120; else 100)
  --color WHEN            auto, always or never (auto: on terminals; NO_COLOR and FORCE_COLOR count)
  --no-progress           no line on stderr while work takes longer than a second
  -h, --help              this text
  -V, --version           the version

Nothing but the dump is needed: no vmlinux, no debuginfo. Ctrl-C shows what is known so far.

exit status: 0 complete, 1 partial, 2 wrong command line, 3 no report (docs/exit-status.md)
`;

export const slimHelpText = `kwhy slim writes a small kdump-compressed file: what the kernel keeps for itself, no memory of
programs and no page cache. The report on it is the same. docs/slim.md has the policy and says what may remain in it.

usage: kwhy slim VMCORE -o OUT [options]

  -o, --output OUT        the file to write, whole or not at all
  -f, --force             replace an older file (never the dump itself)
  --zlib                  compress with zlib, for tools that cannot read zstd
  --json                  print what was kept as JSON
  --time-limit SECONDS    write nothing when it takes longer (--timeout is the same)
  --no-progress           no line on stderr while work takes longer than a second
  -h, --help              this text

exit status: 0 complete, 1 something of it was lost in the dump, 2 wrong command line, 3 nothing was written,
130 Ctrl-C: nothing was written
`;

export const checkHelpText = `kwhy check tells within two seconds what a file is, how sound and complete it is, what is
missing, and what that costs a diagnosis. It reads headers, tables, and as many pages from all over
the file as it has time for.

usage: kwhy check VMCORE [options]
       kwhy check PART... [options]   the files of a split dump, or a folder with one dump

  --json                  the same as versioned JSON (docs/json-schema.md)
  --width COLUMNS         wrap text at this width
  --color WHEN            auto, always or never
  -h, --help              this text

exit status: 0 sound, 1 a dump, but damaged or incomplete, 2 wrong command line, 3 no dump
(docs/exit-status.md)
`;

export const runHelpText = `kwhy run asks a dump with commands, spelled as in crash: ps, log, bt, struct ... -c 'help' lists them.

usage: kwhy run VMCORE [-c 'COMMAND'] ... [-i FILE] ... [options]

  -c, --command COMMAND   a line of the shell: 'ps -G | sort -nrk8 > out'; may be repeated
  -i, --input FILE        lines from a file, # begins a comment; without -c and -i they come from standard input
  --json                  all answers as one JSON document (docs/json-schema.md)
  --debuginfo WHERE       a vmlinux or type pack, a folder or address of such, or auto
  --without btf,orc       leave aside the types or the unwind tables in the dump, or both
  --plugin FILE           a program of your own with commands or detectors (docs/library.md)
  --no-rc                 do not read .kwhyrc, of aliases and settings, from the home and the current folder
  --time-limit SECONDS    run no more when it has passed (--timeout is the same)
  -h, --help              this text

exit status: 0 complete, 1 something was missing in an answer, 2 wrong command line, 3 the dump cannot be opened,
5 a command failed (docs/exit-status.md)
`;

export const shellHelpText = `kwhy shell opens a dump and asks for commands, spelled as in crash: ps, log, bt, struct ... help lists them.

usage: kwhy shell VMCORE [options]

  --debuginfo WHERE       a vmlinux or type pack, a folder or address of such, or auto
  --without btf,orc       leave aside the types or the unwind tables in the dump, or both
  --plugin FILE           a program of your own with commands or detectors (docs/library.md)
  --no-rc                 do not read .kwhyrc, of aliases and settings, from the home and the current folder
  -h, --help              this text

Tab completes commands, options, tasks, symbols, types, members and files. Up finds what was typed before and begins so;
history TEXT finds what has TEXT in it. Long output goes to $PAGER. Ctrl-C ends a command, Ctrl-D the shell.
`;

export const typesHelpText = `kwhy types writes all types that a vmlinux with debug information tells into one small file, a type
pack. Given beside a dump it does what the vmlinux does, but for lines of source.

usage: kwhy types VMLINUX [MODULE...] -o OUT [options]

MODULE: files of modules with debug information (NAME.ko), whose types are to be in it as well.

  -o, --output OUT        the file to write, whole or not at all
  -f, --force             replace an older file
  -h, --help              this text

exit status: 0 written, 2 wrong command line, 3 nothing was written
`;
