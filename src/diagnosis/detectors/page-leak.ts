/**
 * Pages that no counter of the kernel has and that fit no class of the page ledger: taken from the page allocator by the
 * kernel or a module and put to no use that can be told. That it is a leak, and not use that is wanted, is inferred; the
 * size is counted. Large kmalloc, which has no mark until 6.14 but is counted as slab, is not among them.
 */
import { memoryInPieces, memoryShort } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { byteCount, command, count, name, plural, prose, type Prose, ratio } from '../../model/value.ts';
import { memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { proofLines } from '../facts/proof.ts';
import { COSTLY_ORDER, PAGE_LEAK_SHARE } from '../facts/thresholds.ts';
import { weigh } from '../facts/tightness.ts';
import { type Uncounted, uncountedFact } from '../facts/uncounted.ts';

/** Of the pages that were looked into, so many point into one module: then they are called its. */
const MODULE_SHARE = 0.5;
/** How much more may be in no counter than in pages without a use: reserved memory and small rests, and no more. */
const GAP_BY_PAGES = 2;
/** With fewer page structures read, the size is a guess. */
const WHOLE = 0.99;

export default defineDetector({
  id: 'page-leak',
  title: 'Pages that no counter has',
  summary:
    'A driver that takes pages and forgets them leaves no trace in any counter: only the page structures show them.',
  needs: { uncounted: uncountedFact, memory: memoryFact },
  appliesTo: (program) =>
    program.tryField('struct page', 'flags') !== undefined ? true : 'the type of page structures is not known',
  run({ uncounted, memory }, program) {
    // Where pages of the dump are lost, what would tell a page's use may be among them.
    if (program.lostPages > 0) return [];
    const total = memory.info.memTotal.value;
    if (uncounted === undefined || total === undefined) return [];
    // The two ways to count it have to agree: where counters leave far more without an owner than page structures do, one
    // of both is damaged.
    if (uncounted.gap > uncounted.bytes * GAP_BY_PAGES) return [];
    return uncounted.bytes >= total * PAGE_LEAK_SHARE ? [findingOf(uncounted, uncounted.bytes / total, memory)] : [];
  },
});

function findingOf(uncounted: Uncounted, share: number, memory: MemoryState): Finding {
  const { bytes, pages, unclassified, looked } = uncounted;
  const owner = ownerOf(uncounted);
  const [usual] = unclassified.blocks;
  const most = looked < WHOLE ? 'At least ' : '';
  const held = prose`${byteCount(bytes)} (${ratio(share)} of memory)`;
  const whose = owner === undefined ? '' : prose`; what is in them points into the module ${name(owner)}`;
  const weighed = weigh(memory, looked < WHOLE ? 'possible' : 'probable', [
    looked < WHOLE
      ? 'not all page structures were looked at'
      : 'the size is counted; that it is a leak, and not use that is wanted, is inferred from it',
  ]);
  const evidence = evidenceOf(uncounted, owner);
  return {
    detector: 'page-leak',
    cause: 'page-leak',
    ...weighed,
    title: prose`${most}${held} are in pages that no counter of the kernel has: the kernel or a module took them and did not give them back${whose}.`,
    weight: pages,
    explains: [memoryShort, ...(usual !== undefined && usual.order < COSTLY_ORDER ? [memoryInPieces] : [])],
    story: [
      {
        topic: 'what',
        text: prose`${most}${plural(pages, 'page')}, ${held}, belong to somebody whom page structures do not tell${usual === undefined ? '' : prose`; most are in blocks of ${byteCount(blockSize(usual, pages, bytes))}`}.`,
      },
      {
        topic: 'why',
        text: [
          'They are no memory of a process, no page cache, no slab, no vmalloc: pages in use that look like this come from alloc_pages() alone.',
        ],
      },
      ...(owner === undefined ? [] : [{ topic: 'holder' as const, text: ownerText(uncounted, owner) }]),
      ...proofLines(evidence, 2),
      { topic: 'clears', text: ['No: no process owns them, so no kill gives them back.'] },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [
      {
        action:
          owner === undefined
            ? prose`Look for a driver that takes pages; booting with ${command('page_owner=on')} (CONFIG_PAGE_OWNER) tells who does, in /sys/kernel/debug/page_owner.`
            : prose`Update or unload the module ${name(owner)}; booting with ${command('page_owner=on')} (CONFIG_PAGE_OWNER) tells where it takes them, in /sys/kernel/debug/page_owner.`,
        ...(owner === undefined ? {} : { verify: ['nothing that you need uses it.'] }),
        caution: ['page_owner makes the machine slower; only a reboot gives back what was forgotten.'],
      },
    ],
    details: {
      held: byteCount(bytes),
      pages,
      share: ratio(share),
      module: owner === undefined ? undefined : name(owner),
      gap: byteCount(uncounted.gap),
      looked: ratio(looked),
      blocks: unclassified.blocks.map((block) => ({ order: block.order, blocks: block.blocks, pages: block.pages })),
      memory: memory.verdict,
    },
  };
}

function blockSize(block: { readonly order: number }, pages: number, bytes: number): number {
  return (bytes / pages) * 2 ** block.order;
}

/** The module that most of their contents point into. */
function ownerOf({ modules, unclassified }: Uncounted): string | undefined {
  const [first] = modules;
  return first !== undefined && first.pages >= unclassified.contents.read * MODULE_SHARE ? first.key : undefined;
}

function ownerText({ modules, unclassified }: Uncounted, owner: string): Prose {
  return prose`Probably the module ${name(owner)}: ${count(modules[0]?.pages ?? 0)} of ${plural(unclassified.contents.read, 'block')} that were looked into have pointers into it.`;
}

function evidenceOf({ bytes, pages, gap }: Uncounted, owner: string | undefined): Evidence[] {
  const none = { address: undefined, ctype: undefined } as const;
  const claims: Evidence[] = [
    {
      claim: prose`The page structures of ${plural(pages, 'frame')} fit no use: ${byteCount(bytes)}.`,
      ...none,
      confidence: 'certain',
      show: 'mem',
    },
    {
      claim: prose`MemTotal less all that the kernel counts leaves ${byteCount(gap)}.`,
      ...none,
      confidence: 'certain',
      show: 'kmem -i',
    },
  ];
  if (owner !== undefined) {
    claims.push({
      claim: prose`What is in them points into the module ${name(owner)}.`,
      ...none,
      confidence: 'probable',
      because: ['a page may point to what it does not belong to'],
      show: 'mem',
    });
  }
  return claims;
}
