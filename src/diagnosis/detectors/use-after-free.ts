/**
 * The kernel followed a pointer out of memory that had been freed: the address is a poison value, or a word of an object
 * that is on a list of free ones. Says which object of which cache, and which function used it. Who freed it is told only
 * where slub_debug recorded it.
 */
import { kernelStopped } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Confidence, Evidence, Finding } from '../../model/finding.ts';
import {
  address,
  command,
  count,
  ctype,
  name,
  prose,
  type Prose,
  symbol,
  task as taskValue,
} from '../../model/value.ts';
import type { ObjectTracks } from '../../kernel/slab-track.ts';
import type { SlubTrack } from '../../kernel/slub-report.ts';
import { type CrashCause, crashCauseFact, type FreedObject } from '../facts/crash-cause.ts';
import { aroundLines, moduleRemedy, oopsDetails, oopsEvidence, placeText, whoText } from '../facts/oops-story.ts';
import { type FreedNotes, freedNotesFact } from '../facts/freed-object.ts';
import type { FatalOops } from '../facts/oopses.ts';
import { virt } from '../../base/address.ts';

export default defineDetector({
  id: 'use-after-free',
  title: 'Memory used after it was freed',
  summary: 'Poison values and free objects in the registers of a crash tell that its pointer came out of freed memory.',
  needs: { crash: crashCauseFact, notes: freedNotesFact },
  appliesTo: () => true,
  run: ({ crash, notes }) => (crash?.kind === 'use-after-free' ? [findingOf(crash, notes)] : []),
});

type Freed = Extract<CrashCause, { kind: 'use-after-free' }>;

const PROOFS: { readonly [K in Freed['proof']]: string } = {
  poison: 'the value that slub_debug fills freed memory with',
  'list-poison': 'the value that list_del() leaves in an entry that was removed from its list',
  'free-list': 'the pointer that the allocator keeps in a free object, to the next free one',
};
const SCRAMBLED =
  'what the allocator keeps in a free object: its pointer to the next free one, scrambled (CONFIG_SLAB_FREELIST_HARDENED)';

function findingOf(crash: Freed, { tracks, scrambled }: FreedNotes): Finding {
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
      {
        topic: 'why',
        text: prose`The address ${address(virt(value))} is ${proof === 'free-list' && scrambled ? SCRAMBLED : PROOFS[proof]}.`,
      },
      ...(tracks?.freed === undefined ? [] : [{ topic: 'why' as const, text: freedText(tracks.freed, fatal) }]),
      ...aroundLines(fatal),
      ...(freed === undefined ? [] : [{ topic: 'proof' as const, text: evidenceOf(freed).claim }]),
    ],
    evidence: [
      ...oopsEvidence(fatal),
      ...(freed === undefined ? [] : [evidenceOf(freed), ...tracksEvidence(freed, tracks)]),
    ],
    remedies: [...moduleRemedy(module), ...freedRemedy(fatal, tracks)],
    details: {
      proof,
      ...oopsDetails(fatal),
      value: address(virt(value)),
      cache: freed === undefined ? undefined : name(freed.object.cacheName),
      objectSize: freed?.object.objectSize,
      register: freed?.register,
      pointerAt: freed?.pointerAt,
      onFreeList: freed?.free,
      freedIn: tracks?.freed === undefined ? undefined : { ...tracks.freed },
      resource: freed === undefined ? undefined : address(freed.object.start),
    },
  };
}

/** 'The object was freed last in foo+0x12 of module bar by the same task, as slub_debug noted.' */
function freedText(freed: SlubTrack, { task }: FatalOops): Prose {
  const { pid } = freed;
  const by =
    pid === undefined ? '' : task?.pid === pid ? prose` by the same ${taskValue(task)}` : prose` by pid ${String(pid)}`;
  return prose`The object was freed last in ${placeText(freed)}${by}, as slub_debug noted behind it.`;
}

function tracksEvidence({ object }: FreedObject, tracks: ObjectTracks | undefined): readonly Evidence[] {
  const freed = tracks?.freed;
  if (freed === undefined) return [];
  const by = freed.pid === undefined ? '' : ` by pid ${freed.pid}`;
  return [
    {
      claim: prose`The second ${ctype('struct track')} behind the object says: freed last in ${placeText(freed)}${by}.`,
      address: object.start,
      ctype: 'void',
      confidence: 'certain',
      show: `rd -S ${object.start.toString(16)} 32`,
    },
  ];
}

function freedRemedy({ oops }: FatalOops, tracks: ObjectTracks | undefined): Finding['remedies'] {
  const freed = tracks?.freed;
  if (freed !== undefined) {
    const user = oops.at === undefined ? 'whoever used it' : symbol(oops.at.func);
    return [{ action: prose`Mend the code: what ${symbol(freed.func)} frees, ${user} must not use any more.` }];
  }
  return [
    {
      action: prose`To learn who freed it, boot with ${command('slub_debug=FPZU')}, which notes the last free of each object.`,
      caution: ['it makes allocations slower and larger.'],
    },
  ];
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
  const listed = free
    ? ' The object is on a list of free ones.'
    : ' The object is on no list of free ones that could be read.';
  return {
    claim: prose`Register ${register} points into object ${count(object.index)} of its slab in ${name(object.cacheName)}${where}.${listed}`,
    address: object.start,
    ctype: 'void',
    confidence: 'certain',
    show: `rd ${object.start.toString(16)} ${String(Math.max(1, object.objectSize >> 3))}`,
  };
}
