/**
 * A disk takes requests and does not answer: tasks wait for its reads and writes, for a tag to make one, or for those who do.
 * Its requests prove the wait; their age and their timeout say whether it is slow or stands still. What is at fault behind the
 * driver (the disk, a cable, the host, a network) the kernel does not know.
 */
import { hex } from '../../base/address.ts';
import type { ScsiDisk } from '../../kernel/disk-drivers.ts';
import { blocked } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import { type Evidence, type Finding, type Remedy, remedyLines } from '../../model/finding.ts';
import {
  address,
  command,
  count,
  ctype,
  type Data,
  duration,
  name,
  plural,
  type Prose,
  prose,
  symbol,
} from '../../model/value.ts';
import { type DiskMessages, diskMessagesFact } from '../facts/disk-messages.ts';
import { lockupFact } from '../facts/lockups.ts';
import { type StuckDisk, stuckDiskText } from '../facts/stuck-disks.ts';
import { requestData, requestProse } from '../facts/task-waits.ts';
import { STUCK_BY_AGE } from '../facts/thresholds.ts';
import { obstaclesFact } from '../facts/wait-obstacles.ts';
import { type WaitStory, waitStoriesFact } from '../facts/wait-story.ts';
import { type ObstacleVerdict, waitVerdictsFact } from '../facts/wait-verdicts.ts';

export default defineDetector({
  id: 'silent-disk',
  title: 'Disks that do not answer',
  summary: 'A disk whose requests are older than their timeout stops whoever waits for its reads and writes.',
  needs: {
    verdicts: waitVerdictsFact,
    stories: waitStoriesFact,
    obstacles: obstaclesFact,
    messages: diskMessagesFact,
    lockup: lockupFact,
  },
  appliesTo: needsTypes,
  run: ({ verdicts, stories, obstacles, messages, lockup }) =>
    verdicts.all.flatMap((verdict) => {
      if (verdict.kind !== 'obstacle' || verdict.obstacle.kind !== 'disk') return [];
      const { disk } = verdict.obstacle;
      const exact = (verdict.root.target?.waiters ?? []).filter((task) => obstacles.of(task)?.certainty === 'exact');
      const beside = {
        exact: exact.length,
        messages: messages.of(disk.queue.disk.name),
        cpuStuck: lockup !== undefined,
      };
      return [findingOf(verdict, disk, beside, stories.of(verdict.root))];
    }),
});

interface Beside {
  /** Tasks whose own request is old. */
  readonly exact: number;
  readonly messages: DiskMessages | undefined;
  /** The answer may wait for a CPU that is stuck. */
  readonly cpuStuck: boolean;
}

function findingOf(
  verdict: ObstacleVerdict,
  found: StuckDisk,
  beside: Beside,
  { lines, details, grown }: WaitStory,
): Finding {
  const { root } = verdict;
  const { queue, overdue, inFlight, queued } = found;
  const { disk } = queue;
  const direct = root.target?.waiters.length ?? 0;
  const all = direct === beside.exact;
  const confidence = beside.cpuStuck
    ? 'possible'
    : !all && verdict.confidence === 'certain'
      ? 'probable'
      : verdict.confidence;
  const because = becauseOf(found, confidence === verdict.confidence, beside);
  const remedies = remediesOf(found);
  const rest = root.behind.length - direct;
  return {
    detector: 'silent-disk',
    cause: 'device-does-not-answer',
    role: beside.cpuStuck ? 'symptom' : 'cause',
    title: prose`${plural(root.behind.length, 'task waits', 'tasks wait')}, directly or not, for ${stuckDiskText(found)}.`,
    confidence,
    ...(confidence === 'certain' ? {} : { because }),
    weight: root.behind.length,
    explains: root.behind.map((task) => blocked(task.address)),
    ...grown,
    story: [
      {
        topic: 'why',
        text: prose`${plural(direct, 'task waits', 'tasks wait')} for its reads and writes${rest === 0 ? '' : prose`, ${count(rest)} more for these`}. ${holdsText(found)}`,
      },
      { topic: 'holder', text: holderText(found, beside) },
      { topic: 'proof', text: proofText(found, beside.exact) },
      ...lines,
      { topic: 'clears', text: clearsText(found) },
      ...remedyLines(remedies, 1),
    ],
    evidence: evidenceOf(found, direct, beside),
    remedies,
    details: {
      ...details,
      resource: { address: address(disk.address), ctype: ctype('struct gendisk') },
      device: name(disk.name),
      directories: (found.directories ?? []).map((each): Data => name(each)),
      driver: queue.driver === undefined ? undefined : name(queue.driver),
      scsi: found.scsi === undefined ? undefined : scsiData(found.scsi),
      queue: address(disk.queue),
      oldest: requestData(found.oldest),
      overdue,
      inFlight: queue.problem === undefined ? inFlight : undefined,
      queued: queue.problem === undefined ? queued : undefined,
      waitForDevice: direct,
      provedByRequest: beside.exact,
      tagsAllTaken: found.full,
      frozen: queue.frozen,
      quiesced: queue.quiesced,
    },
  };
}

function scsiData({ device, address: at, host, driver, state, recovering, failed }: ScsiDisk): Data {
  const own = driver === undefined ? undefined : name(driver);
  return { device: address(device), address: at, host, driver: own, state, recovering, failed: count(failed) };
}

function holdsText({ inFlight, queued, oldest, queue, full }: StuckDisk): Prose {
  const all =
    full === undefined ? [] : prose` All ${count(full)} tags are taken, so that no other request can be made.`;
  const has = inFlight === 0 ? [] : prose`The driver has ${plural(inFlight, 'request')}`;
  const waiting =
    queued === 0
      ? []
      : prose`${inFlight === 0 ? '' : ', and '}${plural(queued, 'more is', 'more are')} not given to it yet`;
  const missing = queue.problem === undefined ? '' : ' at least';
  return prose`${has}${waiting}${missing}; the oldest: ${requestProse(oldest)}.${all}`;
}

function holderText({ queue, scsi, directories = [] }: StuckDisk, { messages }: Beside): Prose {
  const { driver, quiesced, frozen } = queue;
  const own = scsi?.driver ?? driver;
  const whose =
    own === undefined
      ? []
      : prose` Its driver: ${name(own)}${scsi === undefined ? [] : prose`, SCSI ${scsi.address}`}.`;
  const [first, ...others] = directories;
  const more =
    others.length === 0 ? [' is'] : prose` and ${plural(others.length, 'more directory', 'more directories')} are`;
  const mounted = first === undefined ? [] : prose` ${name(first)}${more} mounted from it.`;
  const handler =
    scsi?.recovering === true ? prose` The error handler of host${String(scsi.host)} is at work: SHOST_RECOVERY.` : [];
  const device =
    scsi?.state === undefined || scsi.state === 'SDEV_RUNNING' ? [] : prose` It is in the state ${symbol(scsi.state)}.`;
  const state = quiesced
    ? ' Its queue is quiesced: its driver has asked for a pause, as for a reset.'
    : frozen
      ? ' Its queue is frozen: somebody waits for all its requests to end.'
      : '';
  const said = messages === undefined ? [] : prose` The log, of one of its requests: ${name(messages.last)}.`;
  return prose`no task: the disk, or what lies between it and the driver.${whose}${mounted}${device}${handler}${state}${said}`;
}

function proofText({ oldest }: StuckDisk, exact: number): Prose {
  return prose`${symbol('state')} of ${ctype('struct request')} ${address(oldest.address)} is ${oldest.state === 'in flight' ? 'MQ_RQ_IN_FLIGHT' : 'MQ_RQ_IDLE'}; ${plural(exact, 'task waits', 'tasks wait')} for old requests of its queue; by hand: ${command('dev -d')}, ${command(`struct request ${hex(oldest.address)}`)}.`;
}

function clearsText({ overdue, age }: StuckDisk): Prose {
  if (!overdue) return prose`Perhaps: it may only be slow, but disks answer within a second.`;
  return age >= STUCK_BY_AGE
    ? ['No: no disk is that slow. Killing those who wait does not help.']
    : ['Only if it answers or its driver gives it up; killing those who wait does not help.'];
}

function becauseOf({ overdue, age, oldest }: StuckDisk, byAge: boolean, { cpuStuck }: Beside): Prose {
  if (cpuStuck) return ['a CPU is stuck, and the answer of the disk may be what it does not handle'];
  if (!byAge) return ['not every wait was found among the old requests of the disk; the rest is for what lies on it'];
  if (!overdue)
    return prose`that they wait for its requests is proved; that it stands still is argued from the ${duration(age)} of the oldest alone`;
  return prose`that they wait for its requests is proved; that it stands still is argued from the ${duration(age)} of the oldest, which has passed its timeout of ${duration(oldest.timeout ?? 0n)}`;
}

function evidenceOf(
  { oldest, queue, inFlight, queued, age }: StuckDisk,
  direct: number,
  { exact, messages }: Beside,
): readonly Evidence[] {
  const at = { address: oldest.address, ctype: 'struct request', show: `struct request ${hex(oldest.address)}` };
  const sure = exact === direct && queue.problem === undefined;
  return [
    {
      ...at,
      claim: prose`${oldest.ageBy === 'deadline' ? prose`Its timer was set ${duration(age)} before the crash, by its deadline` : prose`Its start_time_ns is ${duration(age)} before the crash, by CLOCK_MONOTONIC`}${oldest.timeout === undefined ? [] : prose`; its timeout is ${duration(oldest.timeout)}`}.`,
      confidence: 'certain',
    },
    {
      claim: prose`The queue of ${name(queue.disk.name)} has ${plural(inFlight, 'request')} with the driver and ${count(queued)} that are not given to it; what ${plural(exact, 'task waits', 'tasks wait')} for is among the old ones${queue.problem === undefined ? '' : `; requests may be missing: ${queue.problem}`}.`,
      address: queue.disk.queue,
      ctype: 'struct request_queue',
      confidence: sure ? 'certain' : 'probable',
      ...(sure ? {} : { because: ['the rest waits for young requests, or for what lies on this disk'] }),
      show: 'dev -d',
    },
    ...(messages === undefined
      ? []
      : [
          {
            claim: prose`The log says ${plural(messages.count, 'time', 'times')}, last: ${name(messages.last)}.`,
            address: undefined,
            ctype: undefined,
            confidence: 'certain',
            show: 'log',
          } as const,
        ]),
  ];
}

/** What to look at first, by driver. */
const PLACES: readonly (readonly [driver: RegExp, look: string])[] = [
  [/^nbd/, 'the server of the network block device and the way to it: whether it still runs and answers others'],
  [
    /^(virtio|xen|vmw|hv_storvsc)/,
    'the host of this virtual machine: the storage below its disk image, and its own log',
  ],
  [
    /^nvme/,
    'the controller: nvme list, nvme smart-log, and its resets in the log; for NVMe over fabrics the path to the target',
  ],
  [
    /^(scsi|sd_|ata|libata|mpt|megaraid|lpfc|qla)/,
    'the disk, its cable, HBA and storage array: SCSI errors and aborts in the log, /sys/block/*/device/state, multipath -ll',
  ],
  [/^loop/, 'the file behind the loop device, and the disk that this one lies on'],
  [/^(rbd|drbd|ublk|bcache|zram)/, 'what lies behind this driver: its server, cluster or daemon'],
  [/^(dm|multipath)/, 'the paths below it: multipath -ll, dmsetup status'],
  [/^mmc/, 'the card, its slot and its host controller'],
];

/** How to get rid of a disk that does not come back. */
function giveUpText({ disk, driver }: StuckDisk['queue']): Prose {
  const path = /^[\w-]+$/.test(disk.name) ? `/dev/${disk.name}` : undefined;
  if (path !== undefined && (driver?.startsWith('nbd') === true || disk.name.startsWith('nbd')))
    return prose`${command(`nbd-client -d ${path}`)} ends its requests with errors, and unwritten data is lost`;
  return ['take it away or restart the machine: its requests end with errors, and unwritten data is lost'];
}

function remediesOf({ queue }: StuckDisk): readonly Remedy[] {
  const { disk, driver } = queue;
  const look = PLACES.find(([of]) => (driver !== undefined && of.test(driver)) || of.test(disk.name))?.[1];
  return [
    {
      action: prose`Look at ${look ?? 'the disk and what it is connected by'}. When it answers, all go on; if it never does, ${giveUpText(queue)}.`,
    },
    {
      action: prose`If it does not come back, restart the machine or take the disk away: its requests then end with errors.`,
      caution: ['what was not written is lost; file systems on it become read-only or need a check.'],
    },
  ];
}
