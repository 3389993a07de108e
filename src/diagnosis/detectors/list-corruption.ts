/**
 * The kernel's list check met a list that is broken, and stopped: which entry, which neighbour does not point back, what
 * stands there instead, and who worked on the list. Whoever wrote over it is not known from this.
 */
import { kernelStopped } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding, Remedy } from '../../model/finding.ts';
import { address, name, prose, type Prose } from '../../model/value.ts';
import { type CrashCause, crashCauseFact } from '../facts/crash-cause.ts';
import { aroundLines, moduleRemedy, oopsDetails, oopsEvidence, placeText, whoText } from '../facts/oops-story.ts';

export default defineDetector({
  id: 'list-corruption',
  title: 'Broken lists',
  summary: 'The check of list_add() and list_del() stops the kernel when a neighbour does not point back.',
  needs: { crash: crashCauseFact },
  appliesTo: () => true,
  run: ({ crash }) => (crash?.kind === 'list' ? [findingOf(crash)] : []),
});

const WRITER: Remedy = {
  action: ['Who wrote there is not recorded: a kernel with KASAN catches the write itself.'],
  caution: ['it makes the machine much slower.'],
};

type Broken = Extract<CrashCause, { kind: 'list' }>;

function whyText({ list }: Broken): Prose {
  if (list.kind === 'removed-twice')
    return ['The entry was removed before: its pointers are those that list_del() leaves.'];
  if (list.kind === 'added-twice') return ['The entry is on the list already.'];
  const where = list.damaged === undefined ? prose`A neighbour` : prose`The neighbour ${address(list.damaged)}`;
  const text = list.found === undefined ? undefined : textIn(list.found);
  const found =
    list.found === undefined
      ? ''
      : prose` and holds ${address(list.found)}${text === undefined ? '' : prose`, the text ${name(text)}`}`;
  return prose`${where} does not point back${found}: it was written over, or freed.`;
}

function findingOf(crash: Broken): Finding {
  const { fatal, list, caller } = crash;
  const who = whoText(fatal);
  const verb = list.operation === 'add' ? 'added an entry to' : 'removed an entry from';
  const certain = fatal.onStack;
  return {
    detector: 'list-corruption',
    cause: 'list-corruption',
    role: 'cause',
    title: prose`Broken list: ${placeText(caller ?? fatal.oops.at)} ${verb} a list that ${list.kind === 'overwritten' ? 'is damaged' : 'it should not have'}${who === undefined ? '' : prose`, running for ${who}`}.`,
    confidence: certain ? 'certain' : 'probable',
    ...(certain ? {} : { because: ['only the log says so; the stack of its task does not stand there'] }),
    weight: 1,
    explains: [kernelStopped],
    story: [
      {
        topic: 'what',
        text: prose`${placeText(caller ?? fatal.oops.at)} ${verb} a list, and the kernel's check stopped it.`,
        detail: true,
      },
      { topic: 'why', text: whyText(crash) },
      ...aroundLines(fatal),
      ...damageEvidence(crash).map(({ claim }) => ({ topic: 'proof' as const, text: claim })),
    ],
    evidence: [
      {
        claim: prose`The log says: ${name(list.headline)}`,
        address: list.entry,
        ctype: list.entry === undefined ? undefined : 'struct list_head',
        confidence: 'certain',
        show: 'log',
      },
      ...oopsEvidence(fatal).slice(1),
      ...damageEvidence(crash),
    ],
    remedies: [...moduleRemedy(caller?.module), ...(list.kind === 'overwritten' ? [WRITER] : [])],
    details: {
      ...oopsDetails(fatal),
      operation: list.operation,
      kind: list.kind,
      entry: list.entry === undefined ? undefined : address(list.entry),
      found: list.found === undefined ? undefined : address(list.found),
      caller: caller === undefined ? undefined : { name: caller.func, offset: caller.offset, module: caller.module },
      resource: list.damaged === undefined ? undefined : address(list.damaged),
    },
  };
}

/** Whether the damage still stands in memory. */
function damageEvidence({ list, stands }: Broken): Evidence[] {
  const { damaged, found } = list;
  if (damaged === undefined || found === undefined || stands === undefined) return [];
  return [
    {
      claim: prose`In memory the entry ${address(damaged)} still holds ${address(found)} as its ${stands}.`,
      address: damaged,
      ctype: 'struct list_head',
      confidence: 'certain',
      show: `struct list_head ${damaged.toString(16)}`,
    },
  ];
}

/** Text that was written over a pointer: eight printable characters. */
function textIn(word: bigint): string | undefined {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, word));
  const text = bytes.toString('latin1');
  return /^[\x20-\x7e]{8}$/.test(text) ? text : undefined;
}
