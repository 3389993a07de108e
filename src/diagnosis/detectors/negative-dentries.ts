/**
 * Dentries of names that do not exist hold a large part of memory: something asks for ever new ones. They can be taken
 * back, so this is a hint where memory is left; but each walk over a directory's children, and each shrinking, has them in
 * its way, with locks held.
 */
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { address, byteCount, count, prose, ratio } from '../../model/value.ts';
import { type Dentries, dentriesFact } from '../facts/dentries.ts';
import { memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { NEGATIVE_SHARE } from '../facts/thresholds.ts';
import { isTight } from '../facts/tightness.ts';
import { proofLines } from '../facts/proof.ts';

export default defineDetector({
  id: 'negative-dentries',
  title: 'Dentries of names that do not exist',
  summary: 'Whoever asks for ever new names that do not exist fills memory with answers that nobody needs again.',
  needs: { dentries: dentriesFact, memory: memoryFact },
  appliesTo: (program) =>
    program.hasSymbol('nr_dentry_negative') ? true : 'this kernel does not count negative dentries (since 5.0)',
  run({ dentries, memory }) {
    const total = memory.info.memTotal.value;
    if (dentries === undefined || total === undefined || dentries.negativeBytes < total * NEGATIVE_SHARE) return [];
    return [findingOf(dentries, dentries.negativeBytes / total, memory)];
  },
});

function findingOf(dentries: Dentries, share: number, memory: MemoryState): Finding {
  const { total, unused, negative, negativeBytes, cache } = dentries;
  const held = prose`${byteCount(negativeBytes)} (${ratio(share)} of memory)`;
  const tight = isTight(memory);
  const evidence: readonly Evidence[] = [
    {
      claim: prose`nr_dentry_negative is ${count(negative)} over all CPUs.`,
      address: undefined,
      ctype: undefined,
      confidence: 'certain',
      show: 'p nr_dentry_negative:a',
    },
    {
      claim: prose`The slab cache dentry (objects of ${byteCount(cache.objectSize)}) holds ${byteCount(cache.bytes)}.`,
      address: cache.cache,
      ctype: 'struct kmem_cache',
      confidence: 'certain',
      show: 'kmem -s dentry',
    },
  ];
  return {
    detector: 'negative-dentries',
    cause: 'negative-dentries',
    role: 'cause',
    title: prose`${count(negative)} dentries of names that do not exist hold ${held}: something asks for ever new ones.`,
    confidence: tight ? 'probable' : 'possible',
    because: tight
      ? ['they are counted; that nobody needs them is inferred']
      : ['the kernel can take them back when it needs memory: they are in the way rather than missing'],
    weight: negative,
    story: [
      {
        topic: 'what',
        text: prose`Of ${count(total)} dentries ${count(unused)} are unused, ${count(negative)} of these negative: they remember that a name does not exist.`,
      },
      {
        topic: 'why',
        text: [
          'Each look-up of another missing name adds one; walks over the children of a directory and reclaim go through all of them.',
        ],
      },
      ...proofLines(evidence, 2),
      {
        topic: 'clears',
        text: ['Only slowly, when memory is short and reclaim takes them back; or when somebody drops the caches.'],
      },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [
      {
        action: prose`Find who asks for missing names (strace, or perf trace of openat and stat that end in ENOENT); echo 2 > /proc/sys/vm/drop_caches takes them back for now.`,
        caution: ['dropping takes the useful ones with it.'],
      },
    ],
    details: {
      resource: address(cache.cache),
      negative,
      unused,
      dentries: total,
      held: byteCount(negativeBytes),
      cacheBytes: byteCount(cache.bytes),
      share: ratio(share),
      memory: memory.verdict,
    },
  };
}
