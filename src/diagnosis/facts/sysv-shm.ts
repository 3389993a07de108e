/** Segments of System V shared memory of all IPC namespaces; looked for where shared memory is a good part of memory. */
import { isDataError } from '../../base/errors.ts';
import { ipcNamespaces, type ShmSegment, shmSegments } from '../../kernel/sysv-shm.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { memoryFact } from './memory.ts';
import { tasksFact } from './tasks.ts';
import { SYSV_SHARE } from './thresholds.ts';

export interface SysvShm {
  /** Segments that nobody is attached to, largest first. */
  readonly unattached: readonly ShmSegment[];
  /** Bytes in memory of these, and of those that somebody is attached to. */
  readonly idle: number;
  readonly used: number;
  /** False when a table of segments could not be followed to its end. */
  readonly whole: boolean;
}

export const sysvShmFact = defineFact<SysvShm>({
  id: 'sysv-shm',
  derive({ program, use, budget, cover }) {
    const { memTotal, shmem } = use(memoryFact).info;
    const unattached: ShmSegment[] = [];
    let used = 0;
    let total = 0;
    const missing: string[] = [];
    if (memTotal.value === undefined || shmem.value === undefined || shmem.value < memTotal.value * SYSV_SHARE)
      return { unattached, idle: 0, used, whole: true };
    const tasks = use(tasksFact).tasks.map(({ address }) => address);
    for (const namespace of ipcNamespaces(program, tasks)) {
      budget.check();
      try {
        for (const segment of shmSegments(program, namespace)) {
          total++;
          if (segment.attached === 0) unattached.push(segment);
          else used += segment.bytes;
        }
      } catch (error) {
        if (!isDataError(error)) throw error;
        missing.push(error.message);
      }
    }
    const whole = missing.length === 0;
    cover({ what: 'System V segments', read: total, total: whole ? total : undefined, missing });
    unattached.sort((a, b) => b.bytes - a.bytes);
    return { unattached, idle: unattached.reduce((sum, { bytes }) => sum + bytes, 0), used, whole };
  },
});
