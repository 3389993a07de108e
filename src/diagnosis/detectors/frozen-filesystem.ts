/**
 * A file system is frozen, and whoever writes to it waits until somebody thaws it: a backup or a snapshot that was broken
 * off, an agent that was killed or writes its own log there. The gates that they stand at prove it.
 */
import { hex } from '../../base/address.ts';
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
  task as taskValue,
} from '../../model/value.ts';
import { type Thawing, thawingFact } from '../facts/thawing.ts';
import type { FrozenMount } from '../facts/wait-obstacles.ts';
import { type WaitStory, waitStoriesFact } from '../facts/wait-story.ts';
import { type ObstacleVerdict, waitVerdictsFact } from '../facts/wait-verdicts.ts';

export default defineDetector({
  id: 'frozen-filesystem',
  title: 'Frozen file systems',
  summary: 'Whoever writes to a file system that was frozen and not thawed waits, with all locks that it has.',
  needs: { verdicts: waitVerdictsFact, stories: waitStoriesFact, thawing: thawingFact },
  appliesTo: needsTypes,
  run: ({ verdicts, stories, thawing }) =>
    verdicts.all.flatMap((verdict) => {
      if (verdict.kind !== 'obstacle' || verdict.obstacle.kind !== 'file-system') return [];
      const { fileSystem } = verdict.obstacle;
      return [findingOf(verdict, fileSystem, stories.of(verdict.root), thawing.of(fileSystem))];
    }),
});

function findingOf(
  { root, confidence, oldest }: ObstacleVerdict,
  fileSystem: FrozenMount,
  { lines, details, grown }: WaitStory,
  thawing: Thawing,
): Finding {
  const { superBlock, fsType, id, directories, throughDevice } = fileSystem;
  const at = placeText(fileSystem);
  const direct = root.target?.waiters.length ?? 0;
  const remedies = remediesOf(fileSystem, thawing);
  return {
    detector: 'frozen-filesystem',
    cause: 'filesystem-frozen',
    role: 'cause',
    title: prose`${plural(root.behind.length, 'task waits', 'tasks wait')}, directly or not, for the file system ${at}, which is frozen.`,
    confidence,
    ...(confidence === 'certain'
      ? {}
      : {
          because: prose`that they wait for it to be thawed is proved; that nobody will is argued from the ${duration(oldest ?? 0n)} of the oldest wait`,
        }),
    weight: root.behind.length,
    explains: root.behind.map((task) => blocked(task.address)),
    ...grown,
    story: [
      {
        topic: 'why',
        text: prose`${plural(direct, 'task waits', 'tasks wait')} in a write or a page fault until it is thawed${direct === root.behind.length ? '' : prose`; the other ${count(root.behind.length - direct)} wait for these tasks`}.`,
      },
      { topic: 'holder', text: holderText(throughDevice, thawing) },
      {
        topic: 'proof',
        text: prose`${symbol('s_writers.frozen')} of ${ctype('struct super_block')} ${address(superBlock)} is SB_FREEZE_COMPLETE, and ${plural(direct, 'task is', 'tasks are')} in the queues of its ${symbol('s_writers.rw_sem')}; by hand: ${command(`struct super_block.s_writers ${hex(superBlock)}`)}.`,
      },
      ...lines,
      { topic: 'clears', text: clearsText(thawing) },
      ...remedyLines(remedies, 1),
    ],
    evidence: evidenceOf(fileSystem, direct, thawing),
    remedies,
    details: {
      ...details,
      resource: { address: address(superBlock), ctype: ctype('struct super_block') },
      fsType: name(fsType),
      device: name(id),
      directories: directories.map((each): Data => name(each)),
      waitAtGates: direct,
      throughBlockDevice: throughDevice,
      thawing: thawing.tasks.map(taskValue),
    },
  };
}

function placeText({ directories, fsType, id }: FrozenMount): Prose {
  const [first] = directories;
  return first === undefined
    ? prose`${name(fsType)} on ${name(id)}`
    : prose`${name(first)} (${name(fsType)} on ${name(id)})`;
}

function holderText(throughDevice: number | undefined, { tasks }: Thawing): Prose {
  const how =
    throughDevice !== undefined && throughDevice > 0
      ? ' It was frozen through its block device, as for a snapshot.'
      : ' It was frozen by the ioctl FIFREEZE, as fsfreeze and backup agents do, not through its block device.';
  const [first] = tasks;
  const back = first === undefined ? '' : prose` ${taskValue(first)} tries to thaw it, and waits itself.`;
  return prose`not known: the kernel does not record who froze it.${throughDevice === undefined ? '' : how}${back}`;
}

function clearsText({ tasks, stuck }: Thawing): Prose {
  if (stuck) return ['No: who wants to thaw it waits for one who waits for that.'];
  return tasks.length > 0
    ? ['Perhaps: somebody is thawing it.']
    : [
        'Only if somebody thaws it: none of those who wait can, killing them does not, and no task of this dump is in the call that thaws it.',
      ];
}

function evidenceOf({ superBlock, gates }: FrozenMount, direct: number, { tasks }: Thawing): readonly Evidence[] {
  const [gate] = gates;
  return [
    {
      claim: ['s_writers.frozen is SB_FREEZE_COMPLETE: the file system is frozen.'],
      address: superBlock,
      ctype: 'struct super_block',
      confidence: 'certain',
      show: `struct super_block.s_writers ${hex(superBlock)}`,
    },
    {
      claim: prose`${plural(direct, 'task stands', 'tasks stand')} on the wait queues of its gates, s_writers.rw_sem.`,
      address: gate,
      ctype: 'struct percpu_rw_semaphore',
      confidence: 'certain',
      show: `struct percpu_rw_semaphore ${gate === undefined ? '' : hex(gate)}`,
    },
    ...tasks.map(
      (task): Evidence => ({
        claim: prose`${taskValue(task)} is in thaw_super and waits for s_umount of this file system.`,
        address: task.address,
        ctype: 'struct task_struct',
        confidence: 'certain',
        show: `bt ${task.pid}`,
      }),
    ),
  ];
}

function remediesOf({ directories }: FrozenMount, { stuck }: Thawing): readonly Remedy[] {
  const where = directories[0] ?? 'MOUNTPOINT';
  const agent: Remedy = {
    action: [
      'Find what freezes it (a backup or guest agent, a snapshot script): it must thaw it when it fails, and must not write to what it freezes.',
    ],
  };
  if (stuck)
    return [
      { action: ['Restart the machine: to thaw it takes a lock that is held by one who waits for that.'] },
      agent,
    ];
  return [
    {
      action: prose`Thaw it: ${command(`fsfreeze --unfreeze ${where}`)}, or ${command('echo j > /proc/sysrq-trigger')}, which thaws all file systems.`,
      verify: ['no backup or snapshot of it is still being made, with the latter of any.'],
    },
    agent,
  ];
}
