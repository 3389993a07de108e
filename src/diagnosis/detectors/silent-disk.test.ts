import { describe, expect, it } from 'vitest';
import { actionsOf, storyOf, textOf } from '../../../test/builders/text.ts';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import { virt } from '../../base/address.ts';
import { nanoseconds } from '../../base/units.ts';
import type { BlockQueue, BlockRequest } from '../../kernel/block-requests.ts';
import type { ScsiDisk } from '../../kernel/disk-drivers.ts';
import type { LogRecord } from '../../kernel/log-record.ts';
import { diskMessagesFact } from '../facts/disk-messages.ts';
import { type Lockup, lockupFact } from '../facts/lockups.ts';
import { logFact } from '../facts/log.ts';
import { stuckDisk } from '../facts/stuck-disks.ts';
import silentDisk from './silent-disk.ts';

const seconds = (n: number) => nanoseconds(BigInt(Math.round(n * 1000)) * 1_000_000n);

interface Spec {
  /** Ages of the requests in seconds. */
  readonly ages: readonly number[];
  readonly driver?: string;
  readonly state?: BlockRequest['state'];
  readonly operation?: string;
  readonly certainty?: 'exact' | 'inferred';
  readonly quiesced?: boolean;
  readonly tags?: BlockQueue['tags'];
  readonly problem?: string;
  readonly lockup?: boolean;
  readonly log?: readonly string[];
  readonly scsi?: ScsiDisk;
  readonly directories?: readonly string[];
}

function queueOf(
  scene: WaitScene,
  { ages, driver = 'nbd', state = 'in flight', operation = 'read', quiesced = false, tags = [], problem }: Spec,
): BlockQueue {
  const disk = {
    address: scene.address(),
    name: driver === 'nbd' ? 'nbd0' : 'sda',
    major: 43,
    operations: scene.address(),
    queue: scene.address(),
  };
  const requests = ages.map(
    (age, i): BlockRequest => ({
      address: scene.address(),
      disk,
      state,
      operation,
      sector: BigInt(2048 + 8 * i),
      bytes: 4096,
      age: seconds(age),
      ageBy: 'start_time_ns',
      timeout: seconds(30),
    }),
  );
  return { disk, driver, requests, tags, frozen: false, quiesced, problem };
}

/** Readers wait for old requests of the disk; one has a directory locked that others want. */
function scene(spec: Spec): WaitScene {
  const built = new WaitScene();
  const [oldest = 0] = spec.ages;
  const found = stuckDisk(queueOf(built, spec));
  const { scsi, directories = [] } = spec;
  const disk = found && { ...found, ...(scsi === undefined ? {} : { scsi }), directories };
  built.set(lockupFact, spec.lockup === true ? ({} as Lockup) : undefined);
  const records = (spec.log ?? []).map((text): Partial<LogRecord> => ({ text }) as LogRecord);
  built.set(logFact as never, { records } as never);
  const [reader, creator] = ['tar', 'postfix'].map((comm) => built.task(comm, { offCpu: oldest }));
  if (reader === undefined || creator === undefined) throw new Error('no tasks');
  if (disk !== undefined) {
    built.blocked(reader, { obstacle: { kind: 'disk', disk }, certainty: spec.certainty ?? 'exact' });
    built.blocked(creator, { obstacle: { kind: 'disk', disk }, certainty: 'exact' });
  }
  built.queue(built.lock('rw_semaphore', 'i_rwsem', creator), 'postfix', 5, { offCpu: oldest });
  return built;
}

describe('silent-disk', () => {
  it('blames the disk whose requests have passed their timeout, not the lock in the middle', () => {
    const [finding, ...others] = scene({ ages: [41.8, 40] }).findings(silentDisk);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'device-does-not-answer',
      role: 'cause',
      confidence: 'probable',
      weight: 7,
    });
    expect(textOf(finding?.title)).toBe(
      '7 tasks wait, directly or not, for the disk nbd0, which has not answered a request for 41.8 s.',
    );
    expect(storyOf(finding, 'why')).toMatch(
      /^2 tasks wait .* reads and writes, 5 more for these\. .* read of 4096 at sector 2048 of nbd0/,
    );
    expect(storyOf(finding, 'waiters')).toMatch(/5 wait for i_rwsem: postfix \(pid 101\) has it/);
    expect(textOf(finding?.because)).toContain('passed its timeout of 30 s');
    expect(actionsOf(finding)[0]).toContain('the server of the network block device');
    expect(finding?.details).toMatchObject({ overdue: true, provedByRequest: 2, inFlight: 2 });
  });

  it('is certain from two minutes on, if every wait is for an old request', () => {
    expect(scene({ ages: [130] }).findings(silentDisk)).toMatchObject([{ confidence: 'certain' }]);
    expect(scene({ ages: [130], certainty: 'inferred' }).findings(silentDisk)).toMatchObject([
      { confidence: 'probable' },
    ]);
  });

  it('only hints at a disk that may be slow: its request is old, and has not passed its timeout', () => {
    const [finding] = scene({ ages: [12] }).findings(silentDisk);
    expect(finding).toMatchObject({ confidence: 'possible' });
    expect(storyOf(finding, 'clears')).toMatch(/^Perhaps/);
  });

  it('says nothing of a disk that is at work', () => {
    expect(scene({ ages: [3, 0.01] }).findings(silentDisk)).toEqual([]);
    expect(scene({ ages: [] }).findings(silentDisk)).toEqual([]);
    expect(scene({ ages: [41], state: 'complete' }).findings(silentDisk)).toEqual([]);
  });

  it('lets a disk take its time to discard, or with a command of a program, until its timeout', () => {
    expect(scene({ ages: [25], operation: 'discard' }).findings(silentDisk)).toEqual([]);
    expect(scene({ ages: [31], operation: 'discard' }).findings(silentDisk)).toMatchObject([
      { confidence: 'probable' },
    ]);
  });

  it('tells a queue that gives nothing to its driver', () => {
    const [finding] = scene({ ages: [41], state: 'queued', quiesced: true }).findings(silentDisk);
    expect(finding).toMatchObject({ confidence: 'possible', details: { overdue: false, quiesced: true } });
    expect(textOf(finding?.title)).toContain('has not been given a request for 41 s');
    expect(storyOf(finding, 'holder')).toContain('quiesced');
  });

  it('is a symptom where a CPU is stuck, which may be the one that should handle the answer', () => {
    expect(scene({ ages: [130], lockup: true }).findings(silentDisk)).toMatchObject([
      { role: 'symptom', confidence: 'possible' },
    ]);
  });

  it('claims no number of requests where some could not be read', () => {
    const [finding] = scene({ ages: [41], problem: 'struct blk_mq_tags at 0x0 has 99999999 tags' }).findings(
      silentDisk,
    );
    expect(finding?.details).toMatchObject({ inFlight: undefined, queued: undefined });
    expect(textOf(finding?.evidence[1]?.claim)).toContain('requests may be missing');
  });

  it('says where to look first by the driver', () => {
    expect(actionsOf(scene({ ages: [41], driver: 'scsi_mod' }).findings(silentDisk)[0])[0]).toContain('HBA');
    expect(actionsOf(scene({ ages: [41], driver: 'virtio_mq_ops' }).findings(silentDisk)[0])[0]).toContain(
      'the host of',
    );
    expect(actionsOf(scene({ ages: [41], driver: 'my_driver' }).findings(silentDisk)[0])[0]).toContain(
      'Look at the disk',
    );
  });

  it('tells the adapter of a SCSI disk, and that its error handler is at work', () => {
    const adapter = { address: '2:0:0:0', host: 2, driver: 'mpt3sas', failed: 1 };
    const scsi = { ...adapter, device: virt(0xffff888000777000n), state: 'SDEV_BLOCK', recovering: true };
    const [finding] = scene({ ages: [41], driver: 'scsi_mod', scsi }).findings(silentDisk);
    const holder = storyOf(finding, 'holder');
    expect(holder).toContain('Its driver: mpt3sas, SCSI 2:0:0:0. It is in the state SDEV_BLOCK.');
    expect(holder).toContain('The error handler of host2 is at work');
    expect(finding?.details['scsi']).toMatchObject({ host: 2, recovering: true });
    const sound = { ...scsi, state: 'SDEV_RUNNING', recovering: false };
    const quiet = storyOf(scene({ ages: [41], driver: 'scsi_mod', scsi: sound }).findings(silentDisk)[0], 'holder');
    expect(quiet).not.toMatch(/state|handler/);
  });

  it('says when all tags are taken', () => {
    const told = (taken: number) => {
      const none = { address: virt(0xffff888000778000n), isWaitedForIn: () => false, requests: () => [].values() };
      const tags = [{ ...none, count: 128, depth: 4, taken }] as unknown as BlockQueue['tags'];
      return scene({ ages: [41, 40], tags }).findings(silentDisk)[0];
    };
    expect(storyOf(told(4), 'why')).toContain('All 4 tags are taken');
    expect(told(4)?.details).toMatchObject({ tagsAllTaken: 4 });
    expect(storyOf(told(3), 'why')).not.toContain('tags');
  });

  it('names where it is mounted', () => {
    const mounted = (directories: readonly string[]) =>
      storyOf(scene({ ages: [41], directories }).findings(silentDisk)[0], 'holder');
    expect(mounted(['/srv'])).toContain('/srv is mounted from it.');
    expect(mounted(['/srv', '/var', '/home'])).toContain('/srv and 2 more directories are mounted from it.');
  });

  it('cites the log of this disk, and of no other', () => {
    const lines = [
      'block nbd0: Possible stuck request 00000000: control (read@4096,4096B). Runtime 30 seconds',
      'block nbd01: Possible stuck request 00000000: control (read@4096,4096B). Runtime 90 seconds',
      'nbd0: detected capacity change',
    ];
    const told = scene({ ages: [41], log: lines });
    expect(told.context().use(diskMessagesFact).of('nbd0')).toMatchObject({ count: 1, last: lines[0] });
    expect(storyOf(told.findings(silentDisk)[0], 'holder')).toContain('Runtime 30 seconds');
    expect(told.context().use(diskMessagesFact).of('sda')).toBeUndefined();
  });

  it('knows the controller of an NVMe namespace in the log', () => {
    const told = scene({ ages: [41], log: ['nvme nvme0: I/O 5 (Read) QID 1 timeout, aborting'] });
    expect(told.context().use(diskMessagesFact).of('nvme0n1')).toMatchObject({ count: 1 });
    expect(told.context().use(diskMessagesFact).of('nvme1n1')).toBeUndefined();
  });
});
