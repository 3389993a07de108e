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
  ...['ps', 'ps -l', 'ps -S'].map(
    (group): Explanation => ({
      name: 'frozen and freezable tasks',
      oracle: 'drgn',
      group,
      verdict: 'oracle',
      argument:
        'TASK_FREEZABLE and TASK_FROZEN (since 6.1) are bits of the state that the kernel leaves aside in /proc/PID/stat, or shows as D; drgn takes TASK_IDLE | TASK_FREEZABLE for D, and TASK_FROZEN alone for R.',
      explains: ({ ours, theirs, key }) =>
        key.endsWith('.state')
          ? (ours === 'ID' && theirs === 'UN') || (ours === 'UN' && theirs === 'RU')
          : /^\.(RU|ID|UN)\.tasks$/.test(key),
    }),
  ),
  ...['foreach files', 'foreach user vm'].map(
    (group): Explanation => ({
      name: 'pipes, sockets and other files without a directory',
      oracle: 'drgn',
      group,
      verdict: 'oracle',
      argument:
        'pipefs, sockfs and anon_inodefs make names such as pipe:[1146] when asked (d_dname), as /proc/PID/fd has them; drgn shows the file system.',
      explains: ({ key, ours, theirs }) =>
        /\.(path|file)$/.test(key) &&
        ((text(theirs) === '[anon_inodefs]' && text(ours).startsWith('anon_inode:')) ||
          (text(theirs) === '[pipefs]' && /^pipe:\[\d+\]$/.test(text(ours))) ||
          (text(theirs) === '[sockfs]' && /^socket:\[\d+\]$/.test(text(ours)))),
    }),
  ),
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
