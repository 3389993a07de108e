/** What `--help` and `--version` print. */
import manifest from '../../package.json' with { type: 'json' };

export const versionText = `kwhy ${manifest.version}\n`;

export const helpText = `kwhy opens a Linux kernel crash dump (vmcore) and says why the machine hung.

usage: kwhy VMCORE [options]

  --json                  the same as versioned JSON (docs/json-schema.md)
  -o, --output FILE       write to FILE, whole or not at all
  --time-limit SECONDS    show what is known by then, marked as partial
  --width COLUMNS         wrap text at this width (default: the terminal's, at most 120; else 100)
  --color WHEN            auto, always or never (auto: on terminals; NO_COLOR and FORCE_COLOR count)
  --no-progress           no line on stderr while work takes longer than a second
  -h, --help              this text
  -V, --version           the version

Nothing but the dump is needed: no vmlinux, no debuginfo. Ctrl-C shows what is known so far.

exit status: 0 complete, 1 partial, 2 wrong command line, 3 no report (docs/exit-status.md)
`;
