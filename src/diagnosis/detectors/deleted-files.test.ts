import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { textOf } from '../../../test/builders/text.ts';
import { virt } from '../../base/address.ts';
import { bytes } from '../../base/units.ts';
import type { Task } from '../../kernel/sched.ts';
import type { Finding } from '../../model/finding.ts';
import type { DeletedFile } from '../facts/deleted-files.ts';
import { memoryFact, type MemoryState } from '../facts/memory.ts';
import deletedFiles from './deleted-files.ts';

const MIB = 2 ** 20;
const task = (pid: number, comm: string): Task =>
  ({ pid, comm, address: virt(0xffff888100000000n + BigInt(pid) * 0x1000n) }) as Task;

function file(mib: number, holders: readonly Task[], fsType = 'tmpfs'): DeletedFile {
  return {
    inode: virt(0xffff888200000000n + BigInt(mib) * 0x400n),
    superBlock: virt(0xffff888300000000n),
    fsType,
    path: '/tmp/spool',
    bytes: mib * MIB,
    holders,
  };
}

/** On a machine of 1000 MiB. */
function told(
  files: readonly DeletedFile[],
  verdict: MemoryState['verdict'] = 'short',
  total = 1000,
): readonly Finding[] {
  const program = programOfImage(new KernelImage());
  const memory = contextOf(program).use(memoryFact);
  const memTotal = { value: total === 0 ? undefined : bytes(total * MIB), source: 'test', problem: undefined };
  return deletedFiles.detector.run(
    { files, memory: { ...memory, verdict, info: { ...memory.info, memTotal } } },
    program,
  );
}

const SYSLOG = task(364, 'rsyslogd');

describe('deleted-files', () => {
  it('accounts for every file, also where there are many', () => {
    const many = (files: number) =>
      told(Array.from({ length: files }, (_, i) => file(90 - i, [SYSLOG])))[0]?.evidence ?? [];
    expect(many(6)).toHaveLength(6);
    expect(many(9)).toHaveLength(6);
    expect(textOf(many(9)[5]?.claim ?? [])).toBe(
      `4 more deleted files hold ${(85 + 84 + 83 + 82) * MIB}, the largest of them /tmp/spool.`,
    );
  });

  it('names who keeps them open, and the file system', () => {
    const [finding] = told([file(150, [SYSLOG]), file(60, [task(9, 'cat')]), file(50, [SYSLOG])]);
    expect(finding).toMatchObject({
      cause: 'memory-held-by-deleted-files',
      role: 'cause',
      confidence: 'certain',
      details: {
        culprit: { pid: 364 },
        resource: { value: 0xffff888300000000n },
        files: 3,
        held: { value: 260 * MIB },
      },
    });
    expect(textOf(finding?.title)).toMatch(
      /3 deleted files on tmpfs that rsyslogd \(pid 364\) \(\d+ of it\) and others keep open\.$/,
    );
    const [alone] = told([file(250, [SYSLOG])]);
    expect(textOf(alone?.title)).toMatch(/1 deleted file on tmpfs that rsyslogd \(pid 364\) keeps open\.$/);
  });

  it('is less sure where memory is not short', () => {
    expect(told([file(300, [SYSLOG])], 'enough')[0]?.confidence).toBe('probable');
  });

  it('is silent about a leftover or two, and about deleted files on disk, whose pages are cache', () => {
    expect(told([file(150, [SYSLOG])])).toEqual([]);
    expect(told([file(600, [SYSLOG], 'ext4')])).toEqual([]);
    expect(told([])).toEqual([]);
  });

  it('claims nothing when the size of memory is not known', () => {
    expect(told([file(600, [SYSLOG])], 'unknown', 0)).toEqual([]);
  });
});
