/**
 * Memory held by the files of a tmpfs, while memory is short or the OOM killer had to end processes: no process owns these
 * pages, so no kill gives them back. A large tmpfs on a machine that has memory is meant, and no finding.
 */
import { memoryShort } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { address, byteCount, command, name, plural, prose, type Prose, ratio, type Value } from '../../model/value.ts';
import { memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { type OomLog, oomLogFact } from '../facts/oom-log.ts';
import { proofLines } from '../facts/proof.ts';
import { TMPFS_SHARE } from '../facts/thresholds.ts';
import { isTight } from '../facts/tightness.ts';
import { type Tmpfs, tmpfsFact } from '../facts/tmpfs.ts';

export default defineDetector({
  id: 'tmpfs-memory',
  title: 'Memory in files of tmpfs',
  summary: 'Files on tmpfs are memory that no process owns: the OOM killer ends processes and gets nothing back.',
  needs: { tmpfs: tmpfsFact, memory: memoryFact, log: oomLogFact },
  appliesTo: (program) =>
    program.tryField('struct super_block', 's_inodes') !== undefined &&
    program.tryField('struct inode', 'i_data.nrpages') !== undefined
      ? true
      : 'the types of inodes are not known',
  run({ tmpfs, memory, log }) {
    const total = memory.info.memTotal.value;
    const [largest] = tmpfs.filter(({ directories }) => directories.length > 0);
    if (total === undefined || largest === undefined || largest.live < total * TMPFS_SHARE) return [];
    const kills = log.reports.filter(({ memcg, victims }) => memcg === undefined && victims.length > 0);
    if (!isTight(memory) && kills.length === 0) return [];
    return [findingOf(largest, largest.live / total, kills, memory)];
  },
});

function findingOf(tmpfs: Tmpfs, share: number, kills: OomLog['reports'], memory: MemoryState): Finding {
  const where = name(tmpfs.directories[0] ?? '');
  const killed = kills.flatMap(({ victims }) => victims);
  const names = [...new Set(killed.map(({ comm }) => comm))].slice(0, 3);
  const short = memory.verdict === 'short';
  const evidence = evidenceOf(tmpfs, where);
  return {
    detector: 'tmpfs-memory',
    cause: 'memory-held-by-tmpfs',
    role: 'cause',
    title: prose`${byteCount(tmpfs.live)} (${ratio(share)} of memory) are in ${plural(tmpfs.files, 'file')} of the tmpfs ${where}${killed.length === 0 ? '' : prose`; the OOM killer ended ${plural(killed.length, 'process', 'processes')} and could not get at them`}.`,
    confidence: short ? 'certain' : 'probable',
    ...(short ? {} : { because: [notShort(memory)] }),
    weight: tmpfs.files,
    explains: [memoryShort],
    story: [
      {
        topic: 'what',
        text: prose`${plural(tmpfs.files, 'file')} on ${where}: ${byteCount(tmpfs.live)}${largestText(tmpfs)}${tmpfs.deleted === 0 ? '' : prose`; ${byteCount(tmpfs.deleted)} more in files without a name`}.`,
      },
      {
        topic: 'why',
        text: ['Files on tmpfs live in memory alone; without swap they stay there until they are removed.'],
      },
      ...proofLines(evidence.slice(0, 1), 1),
      ...(killed.length === 0 ? [] : [{ topic: 'since' as const, text: killText(killed.length, names) }]),
      { topic: 'clears', text: ['No: no process owns these pages, so no kill gives them back.'] },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [
      {
        action: prose`Remove what is not needed from ${where}, and mount it with a smaller size= limit.`,
        verify: prose`nobody uses them (${command(`lsof +D ${tmpfs.directories[0] ?? ''}`)}).`,
        caution: ['what is removed is lost.'],
      },
    ],
    details: {
      resource: address(tmpfs.superBlock),
      directories: tmpfs.directories.map((directory) => name(directory)),
      files: tmpfs.files,
      held: byteCount(tmpfs.live),
      deleted: byteCount(tmpfs.deleted),
      share: ratio(share),
      killed: killed.length,
      memory: memory.verdict,
      largest: tmpfs.largest.map(({ inode, path, bytes }) => ({
        inode: address(inode),
        path: path === undefined ? undefined : name(path),
        bytes: byteCount(bytes),
      })),
    },
  };
}

function evidenceOf(tmpfs: Tmpfs, where: Value): readonly Evidence[] {
  return [
    {
      claim: prose`The files of ${where} that have a name hold ${byteCount(tmpfs.live)}, by the pages that each inode counts.`,
      address: tmpfs.superBlock,
      ctype: 'struct super_block',
      confidence: 'certain',
      show: 'mem --by filesystem',
    },
    ...tmpfs.largest.map(({ inode, path, bytes }) => ({
      claim: prose`${name(path ?? '(no name found)')}: ${byteCount(bytes)}.`,
      address: inode,
      ctype: 'struct inode',
      confidence: 'certain' as const,
      show: 'mem --by filesystem',
    })),
  ];
}

function largestText({ largest: [first] }: Tmpfs): Prose {
  return first?.path === undefined ? [] : prose`; the largest is ${name(first.path)}, ${byteCount(first.bytes)}`;
}

function notShort(memory: MemoryState): string {
  return isTight(memory)
    ? 'memory is tight, but not yet short'
    : 'memory is not short any more: it was when processes were killed';
}

function killText(count: number, names: readonly string[]): Prose {
  const list = names.flatMap((comm, i): Prose => (i === 0 ? [name(comm)] : [', ', name(comm)]));
  return prose`The OOM killer ended ${plural(count, 'process', 'processes')} (${list}${names.length < count ? ' and others' : ''}), by the log.`;
}
