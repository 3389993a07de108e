/** Known differences between lines of the shell and drgn (`npm run oracle -- --shell`). */
import type { Answer } from '../answers.ts';
import type { Explanation } from '../compare.ts';

const text = (answer: Answer | undefined): string => (typeof answer === 'string' ? answer : '');

export const SHELL: readonly Explanation[] = [
  {
    name: 'parents of idle tasks',
    oracle: 'drgn',
    group: 'ps',
    verdict: 'both',
    argument:
      "The idle task of another CPU than the first was forked by init; crash and we show idle tasks as nobody's children.",
    explains: ({ key, ours, theirs }, { theirs: all }) =>
      key.endsWith('.ppid') && ours === '0' && theirs === '1' && all.get('ps', key.replace(/ppid$/, 'pid')) === '0',
  },
  {
    name: 'pipes, sockets and other files without a directory',
    oracle: 'drgn',
    group: 'foreach files',
    verdict: 'oracle',
    argument:
      'pipefs, sockfs and anon_inodefs make names such as pipe:[1146] when asked (d_dname), as /proc/PID/fd has them; drgn shows the file system.',
    explains: ({ key, ours, theirs }) =>
      key.endsWith('.path') &&
      ((text(theirs) === '[anon_inodefs]' && /^anon_inode:/.test(text(ours))) ||
        (text(theirs) === '[pipefs]' && /^pipe:\[\d+\]$/.test(text(ours))) ||
        (text(theirs) === '[sockfs]' && /^socket:\[\d+\]$/.test(text(ours)))),
  },
  ...['foreach files', 'foreach user vm'].map(
    (group): Explanation => ({
      name: 'removed files',
      oracle: 'drgn',
      group,
      verdict: 'oracle',
      argument:
        'A removed file is shown as /proc/PID/fd and /proc/PID/maps have it, with " (deleted)", and files of the kernel\'s own tmpfs with their names; drgn shows the path alone, or the file system.',
      explains: ({ ours, theirs }) =>
        text(ours) === `${text(theirs)} (deleted)` ||
        (text(theirs) === '[tmpfs]' && /^\/.* \(deleted\)$/.test(text(ours))),
    }),
  ),
];
