/**
 * A balloon that the host has inflated: memory that the machine was started with, that MemTotal mostly no longer has, and that
 * nothing in the guest can take back. How much it is is counted in page structures and must agree with the kernel's
 * counter. A balloon on a machine that has memory left is context: that is what balloons are for.
 */
import { memoryShort } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import type { Balloon } from '../../kernel/page-balloons.ts';
import { address, byteCount, name, plural, prose, type Prose, ratio } from '../../model/value.ts';
import { balloonFact, type BallooningState } from '../facts/balloon.ts';
import { memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { BALLOON_SHARE } from '../facts/thresholds.ts';
import { weigh } from '../facts/tightness.ts';
import { proofLines } from '../facts/proof.ts';

/** Page structures and counter may differ by so much of the balloon: a driver may be at work. */
const SLACK = 0.02;
/** With fewer page structures read, the size is the counter's. */
const WHOLE = 0.99;

export default defineDetector({
  id: 'balloon',
  title: 'Memory that the host has taken',
  summary: 'A host that inflates the balloon takes memory that no counter in the guest misses.',
  needs: { ballooning: balloonFact, memory: memoryFact },
  appliesTo: (program) =>
    program.tryField('struct balloon_dev_info', 'pages') !== undefined
      ? true
      : 'this kernel has no balloons, or their type is not known',
  run({ ballooning, memory }) {
    const [largest] = ballooning?.balloons ?? [];
    if (ballooning === undefined || largest === undefined) return [];
    const { memory: frames, pages, counted, looked } = ballooning;
    if (counted < frames * BALLOON_SHARE) return [];
    // Of frames that were not looked at as many may be in it as of the others, so only too many contradict.
    const expected = looked < WHOLE ? pages : Math.abs(pages - counted);
    if (expected > counted * (looked < WHOLE ? 1 + SLACK : SLACK)) return [];
    return [findingOf(ballooning, largest, frames, memory)];
  },
});

function findingOf(state: BallooningState, largest: Balloon, frames: number, memory: MemoryState): Finding {
  const { counted, pageSize, looked } = state;
  const whole = looked >= WHOLE;
  const pages = whole ? state.pages : counted;
  // Without a map of the machine's memory it is what the kernel had to give.
  const whose =
    frames * pageSize > (memory.info.memTotal.value ?? 0) + counted * pageSize ? "the machine's" : "the kernel's";
  const held = prose`${byteCount(pages * pageSize)} of ${whose} ${byteCount(frames * pageSize)} (${ratio(pages / frames)})`;
  const left = memory.info.memAvailable.value;
  const by: Prose = largest.driver === '' ? [] : prose` through ${name(largest.driver)}`;
  const weighed = weigh(
    memory,
    memory.verdict === 'short' && whole ? 'certain' : 'probable',
    memory.verdict !== 'short'
      ? ['memory is tight, but not yet short']
      : whole
        ? undefined
        : ["not all page structures were looked at: the size is the kernel's count"],
  );
  const evidence: readonly Evidence[] = [
    {
      claim: prose`${plural(largest.pages, 'page structure')} ${largest.pages === 1 ? 'is' : 'are'} marked PageOffline and name this balloon${whole ? '' : prose`, of ${ratio(looked)} that were looked at`}.`,
      address: largest.device,
      ctype: 'struct balloon_dev_info',
      confidence: 'certain',
      show: 'mem',
    },
    {
      claim: prose`The kernel counts ${plural(counted, 'page')} in balloons (${name(state.source)}).`,
      address: undefined,
      ctype: undefined,
      confidence: 'certain',
      show: 'kmem -V',
    },
  ];
  return {
    detector: 'balloon',
    cause: 'balloon',
    ...weighed,
    title: prose`The host has taken ${held}${by}: the balloon is inflated${left === undefined ? '' : prose`, and ${byteCount(left)} are left available`}.`,
    weight: pages,
    explains: [memoryShort],
    story: [
      {
        topic: 'what',
        text: prose`${plural(pages, 'page')}, ${held}, are in the balloon${by}: the guest gave them to its host, which uses them for something else.`,
        detail: true,
      },
      {
        topic: 'why',
        text: whyText(state, pages, memory),
      },
      ...proofLines(evidence, 2),
      {
        topic: 'clears',
        text: ['Only when the host makes the balloon smaller: ending processes here does not do it.'],
      },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [
      {
        action: prose`On the host: give the guest its memory back (virsh setmem, QEMU's balloon command), or find out why the host is short of memory.`,
        caution: ['the host may have promised that memory to other guests.'],
      },
      {
        action: ['Set a lower limit to ballooning for this guest, or deflate-on-oom of virtio-balloon.'],
      },
    ],
    details: {
      resource: address(largest.device),
      driver: largest.driver === '' ? undefined : name(largest.driver),
      pages,
      held: byteCount(pages * pageSize),
      share: ratio(pages / frames),
      counted,
      looked: ratio(looked),
      memory: memory.verdict,
    },
  };
}

/** Where what MemTotal lacks adds up, it is told: a balloon that gives pages back by itself leaves them in MemTotal. */
function whyText(state: BallooningState, pages: number, { info }: MemoryState): Prose {
  const { memory: frames, crashKernel, pageSize } = state;
  const total = info.memTotal.value;
  const left = total === undefined ? '' : prose`, ${byteCount(total)},`;
  const kept = total === undefined ? 0 : (frames - pages) * pageSize - total;
  const crash = crashKernel * pageSize;
  if (crash > 0 && kept >= crash)
    return prose`Nobody in the guest can use pages in a balloon. MemTotal${left} is without them, without ${byteCount(crash)} for the crash kernel, and without ${byteCount(kept - crash)} that the kernel took at boot.`;
  return prose`Nobody in the guest can use pages in a balloon. MemTotal${left} is mostly without them, and without what the kernel keeps for itself.`;
}
