/**
 * Segments of System V shared memory that nobody is attached to and that hold a large part of memory: whoever made them
 * ended without removing them. Segments in use are no finding.
 */
import { memoryShort } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { address, byteCount, command, count, name, plural, prose, ratio } from '../../model/value.ts';
import { memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { proofLines } from '../facts/proof.ts';
import { type SysvShm, sysvShmFact } from '../facts/sysv-shm.ts';
import { SYSV_SHARE } from '../facts/thresholds.ts';
import { weigh } from '../facts/tightness.ts';

const MAX_LISTED = 5;

export default defineDetector({
  id: 'sysv-unattached',
  title: 'System V segments nobody is attached to',
  summary: 'A segment of System V shared memory outlives its processes, and no process and no file shows it.',
  needs: { shm: sysvShmFact, memory: memoryFact },
  appliesTo: (program) =>
    program.hasSymbol('init_ipc_ns') && program.tryField('struct shmid_kernel', 'shm_nattch') !== undefined
      ? true
      : 'the types of System V shared memory are not known',
  run({ shm, memory }) {
    const total = memory.info.memTotal.value;
    return total === undefined || shm.idle < total * SYSV_SHARE ? [] : [findingOf(shm, shm.idle / total, memory)];
  },
});

function findingOf({ unattached, idle, used, whole }: SysvShm, share: number, memory: MemoryState): Finding {
  const least = whole ? '' : 'at least ';
  const held = prose`${least}${byteCount(idle)} (${ratio(share)} of memory)`;
  const segments = plural(unattached.length, 'segment');
  const ids = unattached.slice(0, MAX_LISTED).map(({ id }) => `-m ${id}`);
  const makers = [...new Set(unattached.flatMap(({ creator }) => creator ?? []))];
  const evidence: readonly Evidence[] = unattached.slice(0, MAX_LISTED).map((segment) => ({
    claim: prose`Segment ${String(segment.id)}, key 0x${hex(segment.key)}${segment.creator === undefined ? '' : prose`, made by pid ${String(segment.creator)}`}${segment.uid === undefined ? '' : prose` of user ${String(segment.uid)}`}: ${byteCount(segment.bytes)}, ${count(segment.attached)} attached.`,
    address: segment.address,
    ctype: 'struct shmid_kernel',
    confidence: 'certain' as const,
    show: 'ipcs -m',
  }));
  return {
    detector: 'sysv-unattached',
    cause: 'sysv-unattached',
    ...weigh(memory, 'probable', ['that nobody is attached is read; somebody may yet attach to them']),
    title: prose`${segments} of System V shared memory that nobody is attached to ${unattached.length === 1 ? 'holds' : 'hold'} ${held}.`,
    weight: idle / 4096,
    explains: [memoryShort],
    story: [
      {
        topic: 'what',
        text: prose`${segments} without any mapping ${unattached.length === 1 ? 'holds' : 'hold'} ${held}; those that somebody is attached to have ${byteCount(used)}.`,
      },
      {
        topic: 'why',
        text: ['A segment lives until it is removed, also when all processes that knew it have ended.'],
      },
      ...proofLines(evidence, 1),
      { topic: 'clears', text: ['No: no process owns them, so no kill gives them back.'] },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [
      {
        action: prose`Remove them: ${command(`ipcrm ${ids.join(' ')}`)}${unattached.length > MAX_LISTED ? prose` and ${String(unattached.length - MAX_LISTED)} more` : ''}.`,
        verify: prose`no program will attach to them again (${command('ipcs -mp')} says who did last).`,
        caution: ['what is in them is lost.'],
      },
      {
        action: prose`Find the program that made them${makers.length === 0 ? '' : prose` (pid ${makers.slice(0, 3).join(', ')}${makers.length > 3 ? ' and others' : ''} at that time)`}, and have it remove them before it ends.`,
      },
    ],
    details: {
      held: byteCount(idle),
      share: ratio(share),
      segments: unattached.length,
      attachedBytes: byteCount(used),
      complete: whole,
      largest: unattached.slice(0, MAX_LISTED).map((segment) => ({
        segment: address(segment.address),
        id: segment.id,
        key: name(`0x${hex(segment.key)}`),
        bytes: byteCount(segment.bytes),
        size: byteCount(segment.size),
        creator: segment.creator,
        uid: segment.uid,
      })),
      memory: memory.verdict,
    },
  };
}

const hex = (key: number): string => (key >>> 0).toString(16).padStart(8, '0');
