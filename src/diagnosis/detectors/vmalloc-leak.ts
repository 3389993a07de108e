/**
 * One caller of vmalloc() holds a large part of memory: a driver, or the kernel, takes areas and does not give them back.
 * Stacks of tasks are no part of it. That it is a leak, and not use that is wanted, is inferred; the size is read.
 */
import { memoryShort } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { byteCount, name, plural, prose, ratio, symbol } from '../../model/value.ts';
import { memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { VMALLOC_SHARE } from '../facts/thresholds.ts';
import { weigh } from '../facts/tightness.ts';
import { type VmallocCaller, type VmallocCallers, vmallocCallersFact } from '../facts/vmalloc-callers.ts';
import { proofLines } from '../facts/proof.ts';

export default defineDetector({
  id: 'vmalloc-leak',
  title: 'Kernel memory in areas of vmalloc',
  summary: 'What drivers take with vmalloc() is in no process and no slab cache; each area remembers who asked.',
  needs: { vmalloc: vmallocCallersFact, memory: memoryFact },
  appliesTo: (program) =>
    program.tryField('struct vm_struct', 'nr_pages') !== undefined ? true : 'the type of vmalloc areas is not known',
  run({ vmalloc, memory }) {
    const total = memory.info.memTotal.value;
    const [largest] = vmalloc.callers;
    if (largest === undefined || total === undefined || largest.bytes < total * VMALLOC_SHARE) return [];
    return [findingOf(largest, vmalloc, largest.bytes / total, memory)];
  },
});

function findingOf(caller: VmallocCaller, { whole }: VmallocCallers, share: number, memory: MemoryState): Finding {
  const least = whole ? '' : 'at least ';
  const held = prose`${least}${byteCount(caller.bytes)} (${ratio(share)} of memory)`;
  const areas = prose`${plural(caller.areas, 'area')} of vmalloc, mostly of ${byteCount(caller.usualSize)} each`;
  const { module } = caller;
  const who =
    module === undefined
      ? prose`${symbol(caller.function)}`
      : prose`${symbol(caller.function)} of the module ${name(module)}`;
  const evidence: readonly Evidence[] = [
    {
      claim: prose`The areas whose vm_struct.caller is in ${who} list ${byteCount(caller.bytes)} of pages.`,
      address: caller.address,
      ctype: undefined,
      confidence: 'certain',
      show: 'kmem -v',
    },
  ];
  return {
    detector: 'vmalloc-leak',
    cause: 'vmalloc-leak',
    ...weigh(memory, 'probable', [
      'the size is read; that it is a leak, and not use that is wanted, is inferred from it',
    ]),
    title: prose`${who} holds ${held} in ${areas}: it takes them and does not give them back.`,
    weight: caller.areas,
    explains: [memoryShort],
    story: [
      // The title says so.
      { topic: 'what', text: prose`${areas}, taken by one caller, hold ${held}.`, detail: true },
      { topic: 'why', text: ['Such an area is memory of the kernel until whoever took it calls vfree().'] },
      { topic: 'holder', text: prose`${who} asked for them.` },
      ...proofLines(evidence, 1),
      { topic: 'clears', text: ['No: no process owns them, so no kill gives them back.'] },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [
      {
        action:
          module === undefined
            ? prose`Look for what makes ${symbol(caller.function)} take memory; /proc/vmallocinfo shows whether it grows again.`
            : prose`Update or unload the module ${name(module)}; /proc/vmallocinfo shows whether it grows again.`,
        ...(module === undefined ? {} : { verify: ['nothing that you need uses it.'] }),
        caution: ['only a reboot gives back what was forgotten.'],
      },
    ],
    details: {
      function: symbol(caller.function),
      module: module === undefined ? undefined : name(module),
      areas: caller.areas,
      usualSize: byteCount(caller.usualSize),
      held: byteCount(caller.bytes),
      share: ratio(share),
      complete: whole,
      memory: memory.verdict,
    },
  };
}
