/**
 * Memory held by files on tmpfs that were deleted and are still open: `ls` and `du` show nothing, and the memory comes back
 * only when their last holder closes them.
 */
import { memoryShort } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { address, byteCount, count, name, plural, prose, ratio, task as taskValue } from '../../model/value.ts';
import type { Task } from '../../kernel/sched.ts';
import { deletedFilesFact, type DeletedFile } from '../facts/deleted-files.ts';
import { memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { DELETED_SHARE } from '../facts/thresholds.ts';

const MAX_LISTED = 5;

export default defineDetector({
  id: 'deleted-files',
  title: 'Memory in deleted files',
  summary: 'Deleted files on tmpfs that somebody keeps open hold memory that no listing shows.',
  needs: { files: deletedFilesFact, memory: memoryFact },
  appliesTo: (program) =>
    program.tryField('struct fdtable', 'max_fds') !== undefined &&
    program.tryField('struct inode', 'i_data.nrpages') !== undefined
      ? true
      : 'the types of open files are not known',
  run({ files, memory }) {
    const total = memory.info.memTotal.value;
    // Pages of other file systems are cache, which the kernel takes back by itself.
    const inMemory = files.filter(({ fsType, bytes }) => fsType === 'tmpfs' && bytes > 0);
    const held = inMemory.reduce((sum, { bytes }) => sum + bytes, 0);
    if (total === undefined || total === 0 || held / total < DELETED_SHARE) return [];
    return [findingOf(inMemory, held, held / total, memory)];
  },
});

/** The task that holds most; each file counts for its first holder. */
function mainHolder(files: readonly DeletedFile[]): { readonly task: Task; readonly bytes: number } | undefined {
  const sums = new Map<Task, number>();
  for (const { holders, bytes } of files) {
    const [first] = holders;
    if (first !== undefined) sums.set(first, (sums.get(first) ?? 0) + bytes);
  }
  const [most] = [...sums].sort((a, b) => b[1] - a[1]);
  return most === undefined ? undefined : { task: most[0], bytes: most[1] };
}

function findingOf(files: readonly DeletedFile[], held: number, share: number, memory: MemoryState): Finding {
  const holder = mainHolder(files);
  const [largest] = files;
  const who = holder === undefined ? 'nobody that was found' : prose`${taskValue(holder.task)}`;
  return {
    detector: 'deleted-files',
    cause: 'memory-held-by-deleted-files',
    role: 'cause',
    title: prose`${byteCount(held)} (${ratio(share)} of memory) are in ${plural(files.length, 'deleted file')} on tmpfs that ${who} keeps open.`,
    confidence: memory.verdict === 'short' ? 'certain' : 'probable',
    ...(memory.verdict === 'short' ? {} : { because: ['memory is not short, so they may be meant'] }),
    weight: files.length,
    explains: [memoryShort],
    story: [
      {
        topic: 'what',
        text: prose`${plural(files.length, 'file')} on tmpfs ${files.length === 1 ? 'has' : 'have'} no name any more and ${files.length === 1 ? 'is' : 'are'} still open: ${byteCount(held)}.`,
      },
      { topic: 'why', text: ['Their pages are memory; they come back when the last descriptor is closed.'] },
      ...(holder === undefined
        ? []
        : [{ topic: 'holder' as const, text: prose`${taskValue(holder.task)}: ${byteCount(holder.bytes)} of it.` }]),
      { topic: 'clears', text: ['Only when they are closed, or their holder ends.'] },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence: files.slice(0, MAX_LISTED).map(evidenceOf),
    remedies:
      holder === undefined
        ? []
        : [
            {
              action: prose`End or restart ${taskValue(holder.task)}: that gives back ${byteCount(holder.bytes)}.`,
              caution: ['what it keeps in these files is lost'],
            },
          ],
    details: {
      culprit: holder === undefined ? undefined : taskValue(holder.task),
      resource: largest === undefined ? undefined : address(largest.superBlock),
      files: files.length,
      held: byteCount(held),
      share: ratio(share),
      memory: memory.verdict,
      largest: files.slice(0, MAX_LISTED).map((file) => ({
        inode: address(file.inode),
        path: name(file.path),
        bytes: byteCount(file.bytes),
        holders: file.holders.length,
      })),
    },
  };
}

function evidenceOf({ inode, path, bytes, holders }: DeletedFile): Evidence {
  const [first] = holders;
  const more = holders.length > 1 ? prose` and ${count(holders.length - 1)} more` : '';
  return {
    claim: prose`${name(path)}, deleted: ${byteCount(bytes)}, open in ${first === undefined ? 'no task' : taskValue(first)}${more}.`,
    address: inode,
    ctype: 'struct inode',
    confidence: 'certain',
    show: first === undefined ? 'foreach files' : `files ${first.pid}`,
  };
}
