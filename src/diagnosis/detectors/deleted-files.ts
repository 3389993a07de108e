/**
 * Memory held by files on tmpfs that were deleted and are still open: `ls` and `du` show nothing, and the memory comes back
 * only when their last holder closes them.
 */
import { memoryShort } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import {
  address,
  byteCount,
  command,
  count,
  name,
  plural,
  prose,
  ratio,
  task as taskValue,
} from '../../model/value.ts';
import type { Task } from '../../kernel/sched.ts';
import { deletedFilesFact, type DeletedFile } from '../facts/deleted-files.ts';
import { memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { proofLines } from '../facts/proof.ts';
import { DELETED_SHARE } from '../facts/thresholds.ts';
import { isTight } from '../facts/tightness.ts';

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
  const evidence = evidenceOfAll(files);
  const who =
    holder === undefined
      ? 'nobody that was found keeps open'
      : holder.bytes === held
        ? prose`${taskValue(holder.task)} keeps open`
        : prose`${taskValue(holder.task)} (${byteCount(holder.bytes)} of it) and others keep open`;
  return {
    detector: 'deleted-files',
    cause: 'memory-held-by-deleted-files',
    role: 'cause',
    title: prose`${byteCount(held)} (${ratio(share)} of memory) are in ${plural(files.length, 'deleted file')} on tmpfs that ${who}.`,
    confidence: memory.verdict === 'short' ? 'certain' : 'probable',
    ...(memory.verdict === 'short'
      ? {}
      : {
          because: [
            isTight(memory) ? 'memory is tight, but not yet short' : 'memory is not short, so they may be meant',
          ],
        }),
    weight: files.length,
    explains: [memoryShort],
    story: [
      {
        topic: 'what',
        text: prose`${plural(files.length, 'file')} on tmpfs ${files.length === 1 ? 'has' : 'have'} no name any more and ${files.length === 1 ? 'is' : 'are'} still open: ${command('ls')} and ${command('du')} do not show ${files.length === 1 ? 'it' : 'them'}.`,
      },
      { topic: 'why', text: ['Their pages are memory; they come back when the last descriptor is closed.'] },
      ...(holder === undefined
        ? []
        : [
            {
              topic: 'holder' as const,
              text: prose`${taskValue(holder.task)}: ${byteCount(holder.bytes)} of it.`,
              detail: holder.bytes === held,
            },
          ]),
      ...proofLines(evidence, 1),
      { topic: 'clears', text: ['Only when they are closed, or their holder ends.'] },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies:
      holder === undefined
        ? []
        : [
            {
              action: prose`End or restart ${taskValue(holder.task)}: that gives back ${byteCount(holder.bytes)}.`,
              verify: prose`it is still the one that keeps them open (${command('lsof +L1')}).`,
              caution: ['what it keeps in these files is lost.'],
            },
            {
              action: prose`Have ${name(holder.task.comm)} close files that are deleted under it, as by a rotation of logs.`,
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

/** Each, or the largest and how much the others hold. */
function evidenceOfAll(files: readonly DeletedFile[]): Evidence[] {
  if (files.length <= MAX_LISTED + 1) return files.map(evidenceOf);
  const rest = files.slice(MAX_LISTED);
  const [next] = rest;
  const bytes = rest.reduce((sum, file) => sum + file.bytes, 0);
  const others: readonly Evidence[] =
    next === undefined
      ? []
      : [
          {
            ...evidenceOf(next),
            claim: prose`${count(rest.length)} more deleted files hold ${byteCount(bytes)}, the largest of them ${name(next.path)}.`,
          },
        ];
  return [...files.slice(0, MAX_LISTED).map(evidenceOf), ...others];
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
