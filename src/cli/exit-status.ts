/** What the process says when it ends; docs/exit-status.md explains each. */
export const EXIT = {
  /** A report, and nothing was missing. */
  complete: 0,
  /** A report, and something was missing. */
  partial: 1,
  /** The command line is wrong. */
  usage: 2,
  /** No report: the file cannot be opened, is no dump of a supported kind, or the result cannot be written. */
  noReport: 3,
  /** A bug in kwhy. */
  internal: 4,
  /** A command of `kwhy run` failed: unknown, with wrong arguments, or nothing of its answer could be read. */
  failed: 5,
  /** Ctrl-C before there was anything to show. */
  interrupted: 130,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];
