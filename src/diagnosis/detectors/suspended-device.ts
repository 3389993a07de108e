/**
 * A device of device mapper is suspended, and block I/O waits in it until somebody resumes it: an LVM command or a snapshot
 * that was broken off, multipath without a path. Whoever waits for a page, a block or the journal on it is found by what
 * the device keeps.
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
} from '../../model/value.ts';
import { type FrozenMount, obstaclesFact, type SuspendedDevice } from '../facts/wait-obstacles.ts';
import { type WaitStory, waitStoriesFact } from '../facts/wait-story.ts';
import { type ObstacleVerdict, waitVerdictsFact } from '../facts/wait-verdicts.ts';

export default defineDetector({
  id: 'suspended-device',
  title: 'Suspended devices of device mapper',
  summary: 'A device that was suspended and not resumed keeps its I/O, and stops whoever waits for it.',
  needs: { verdicts: waitVerdictsFact, stories: waitStoriesFact, obstacles: obstaclesFact },
  appliesTo: needsTypes,
  run: ({ verdicts, stories, obstacles }) =>
    verdicts.all.flatMap((verdict) => {
      if (verdict.kind !== 'obstacle' || verdict.obstacle.kind !== 'device') return [];
      const { device } = verdict.obstacle;
      const frozen = obstacles.fileSystems.filter(({ on }) => on === device);
      const exact = (verdict.root.target?.waiters ?? []).filter((task) => obstacles.of(task)?.certainty === 'exact');
      return [findingOf(verdict, device, frozen, exact.length, stories.of(verdict.root))];
    }),
});

function findingOf(
  { root, confidence, oldest }: ObstacleVerdict,
  found: SuspendedDevice,
  frozen: readonly FrozenMount[],
  exact: number,
  { lines, details, grown }: WaitStory,
): Finding {
  const { device, kept, directories } = found;
  const direct = root.target?.waiters.length ?? 0;
  const remedies = remediesOf(found);
  const because =
    confidence !== 'certain'
      ? prose`that they wait for it to be resumed is proved; that nobody is about to do so is argued from the ${duration(oldest ?? 0n)} of the oldest wait`
      : exact < direct
        ? (['not every wait was found among the I/O that the device keeps; the rest is for what lies on it'] as const)
        : undefined;
  return {
    detector: 'suspended-device',
    cause: 'device-suspended',
    role: 'cause',
    title: prose`${plural(root.behind.length, 'task waits', 'tasks wait')}, directly or not, for the device ${deviceText(found)}, which is suspended.`,
    confidence: exact < direct && confidence === 'certain' ? 'probable' : confidence,
    ...(because === undefined ? {} : { because }),
    weight: root.behind.length,
    explains: root.behind.map((task) => blocked(task.address)),
    ...grown,
    story: [
      {
        topic: 'why',
        text: prose`${plural(direct, 'task waits', 'tasks wait')} for pages, blocks or a file system of the device, ${ctype('struct mapped_device')} ${address(device.address)}; it keeps ${plural(kept.count, 'block I/O', 'block I/Os')} until it is resumed${direct === root.behind.length ? '' : prose`. The other ${count(root.behind.length - direct)} wait for these tasks`}.`,
      },
      { topic: 'holder', text: holderText(directories, frozen) },
      { topic: 'proof', text: proofText(found, exact) },
      ...lines,
      {
        topic: 'clears',
        text: ['Only if somebody resumes the device: none of those who wait can, and killing them does not.'],
      },
      ...remedyLines(remedies, 1),
    ],
    evidence: evidenceOf(found, frozen, direct, exact),
    remedies,
    details: {
      ...details,
      resource: { address: address(device.address), ctype: ctype('struct mapped_device') },
      device: name(device.diskName),
      name: device.name === undefined ? undefined : name(device.name),
      directories: directories.map((each): Data => name(each)),
      waitForDevice: direct,
      provedByBio: exact,
      keptBios: kept.whole ? kept.count : undefined,
      frozenFileSystems: frozen.map(({ superBlock }) => address(superBlock)),
    },
  };
}

function proofText({ device, kept }: SuspendedDevice, exact: number): Prose {
  const flags = device.blocks ? ' and DMF_BLOCK_IO_FOR_SUSPEND' : '';
  return prose`Its flags have DMF_SUSPENDED${flags}. What ${plural(exact, 'task waits', 'tasks wait')} for is among the ${plural(kept.count, 'I/O', 'I/Os')} on its list ${symbol('deferred')}, or behind a gate of its file system; by hand: ${command(`struct mapped_device ${hex(device.address)}`)}.`;
}

function deviceText({ device }: SuspendedDevice): Prose {
  return device.name === undefined ? [name(device.diskName)] : prose`${name(device.name)} (${name(device.diskName)})`;
}

function holderText(directories: readonly string[], frozen: readonly FrozenMount[]): Prose {
  const [first] = directories;
  const on = first === undefined ? '' : prose` ${name(first)} is mounted from it.`;
  const also = frozen.length === 0 ? '' : ' Its file system is frozen with it.';
  return prose`not known: the kernel does not record who suspended it.${on}${also}`;
}

function evidenceOf(
  { device, kept }: SuspendedDevice,
  frozen: readonly FrozenMount[],
  direct: number,
  exact: number,
): readonly Evidence[] {
  const at = {
    address: device.address,
    ctype: 'struct mapped_device',
    show: `struct mapped_device ${hex(device.address)}`,
  };
  const blocks = device.blocks ? ' and DMF_BLOCK_IO_FOR_SUSPEND' : '';
  return [
    { ...at, claim: [`Its flags have DMF_SUSPENDED${blocks}.`], confidence: 'certain' },
    {
      ...at,
      claim: prose`${plural(kept.count, 'bio', 'bios')} on its list deferred${kept.whole ? '' : ', which could not be read to its end'}; what ${plural(exact, 'task waits', 'tasks wait')} for is among them, or behind a gate of its file system.`,
      confidence: exact === direct && kept.whole ? 'certain' : 'probable',
      ...(exact === direct && kept.whole ? {} : { because: ['the rest waits for something else on this device'] }),
    },
    ...frozen.map(
      ({ superBlock }): Evidence => ({
        claim: ['s_writers.frozen of its file system is SB_FREEZE_COMPLETE: suspending it froze that first.'],
        address: superBlock,
        ctype: 'struct super_block',
        confidence: 'certain',
        show: `struct super_block.s_writers ${hex(superBlock)}`,
      }),
    ),
  ];
}

function remediesOf({ device }: SuspendedDevice): readonly Remedy[] {
  const what = device.name ?? device.diskName;
  return [
    {
      action: prose`Resume it: ${command(`dmsetup resume ${what}`)}.`,
      verify: prose`nobody is about to give it another table: see ${command('dmsetup info')} and ${command(`dmsetup table --inactive ${what}`)}.`,
    },
    { action: ['Find what suspended it (lvm, multipath, a snapshot): it must resume the device when it fails.'] },
  ];
}
