/**
 * The kernel followed a pointer out of memory that had been freed: the address is a poison value, or a word of an object
 * that is on a list of free ones. Says which object of which cache, and which function used it. Who freed it is told only
 * where slub_debug recorded it, which is not read here.
 */
import { kernelStopped } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Confidence, Evidence, Finding } from '../../model/finding.ts';
import { address, command, count, name, prose, type Prose } from '../../model/value.ts';
import { type CrashCause, crashCauseFact, type FreedObject } from '../facts/crash-cause.ts';
import { aroundLines, moduleRemedy, oopsDetails, oopsEvidence, placeText, whoText } from '../facts/oops-story.ts';
import { virt } from '../../base/address.ts';

export default defineDetector({
  id: 'use-after-free',
  title: 'Memory used after it was freed',
  summary: 'Poison values and free objects in the registers of a crash tell that its pointer came out of freed memory.',
  needs: { crash: crashCauseFact },
  appliesTo: () => true,
  run: ({ crash }) => (crash?.kind === 'use-after-free' ? [findingOf(crash)] : []),
});

type Freed = Extract<CrashCause, { kind: 'use-after-free' }>;

const PROOFS: { readonly [K in Freed['proof']]: string } = {
  poison: 'the value that slub_debug fills freed memory with',
  'list-poison': 'the value that list_del() leaves in an entry that was removed from its list',
  'free-list': 'the pointer that the allocator keeps in a free object, to the next free one',
};

function findingOf(crash: Freed): Finding {
  const { fatal, proof, value, freed } = crash;
  const who = whoText(fatal);
  const what = freed === undefined ? ['memory that had been freed'] : objectText(freed);
  const confidence: Confidence = proof !== 'list-poison' && fatal.onStack ? 'certain' : 'probable';
  const module = fatal.oops.at?.module ?? fatal.oops.trace.find((place) => place.module !== undefined)?.module;
  return {
    detector: 'use-after-free',
    cause: 'use-after-free',
    role: 'cause',
    title: prose`Use after free: ${placeText(fatal.oops.at)} followed a pointer out of ${what}${who === undefined ? '' : prose`, running for ${who}`}.`,
    confidence,
    ...(confidence === 'certain' ? {} : { because: becauseOf(crash) }),
    weight: 1,
    explains: [kernelStopped],
    story: [
      { topic: 'what', text: prose`${placeText(fatal.oops.at)} followed a pointer out of ${what}.`, detail: true },
      { topic: 'why', text: prose`The address ${address(virt(value))} is ${PROOFS[proof]}.` },
      ...aroundLines(fatal),
      ...(freed === undefined ? [] : [{ topic: 'proof' as const, text: evidenceOf(freed).claim }]),
    ],
    evidence: [...oopsEvidence(fatal), ...(freed === undefined ? [] : [evidenceOf(freed)])],
    remedies: [
      ...moduleRemedy(module),
      {
        action: prose`To learn who freed it, boot with ${command('slub_debug=FPZU')} and look at the object's last free.`,
        caution: ['it makes allocations slower and larger.'],
      },
    ],
    details: {
      proof,
      ...oopsDetails(fatal),
      value: address(virt(value)),
      cache: freed === undefined ? undefined : name(freed.object.cacheName),
      objectSize: freed?.object.objectSize,
      register: freed?.register,
      pointerAt: freed?.pointerAt,
      onFreeList: freed?.free,
      resource: freed === undefined ? undefined : address(freed.object.start),
    },
  };
}

function objectText({ object, free }: FreedObject): Prose {
  const state = free ? 'free object' : 'freed object';
  return prose`the ${state} ${address(object.start)} of ${name(object.cacheName)}`;
}

function becauseOf({ proof, fatal }: Freed): Prose {
  if (proof === 'list-poison') return ['an entry that was removed from its list need not have been freed'];
  return fatal.onStack ? [] : ['only the log says so; the stack of its task does not stand there'];
}

function evidenceOf({ object, register, free, pointerAt }: FreedObject): Evidence {
  const where =
    pointerAt === undefined ? '' : prose`, and the pointer that was followed lies in it at offset ${count(pointerAt)}`;
  const listed = free ? ' It is on a list of free objects.' : ' It is on no list of free objects that could be read.';
  return {
    claim: prose`Register ${register} points into object ${count(object.index)} of its slab in ${name(object.cacheName)}${where}.${listed}`,
    address: object.start,
    ctype: 'void',
    confidence: 'certain',
    show: `rd ${object.start.toString(16)} ${String(Math.max(1, object.objectSize >> 3))}`,
  };
}
