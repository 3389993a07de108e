/**
 * The kernel crashed of its own fault: a NULL or wild pointer, a BUG(). Says which instruction of which function in whose
 * name, from the log, and confirms it in memory: the task is there, and its stack stands in that function. An oops that
 * the machine survived is not told as the cause of what came later.
 */
import { kernelStopped } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Confidence, Finding } from '../../model/finding.ts';
import { address, prose, type Prose } from '../../model/value.ts';
import type { OopsKind } from '../../kernel/oops.ts';
import { crashCauseFact } from '../facts/crash-cause.ts';
import { aroundLines, moduleRemedy, oopsDetails, oopsEvidence, placeText, whoText } from '../facts/oops-story.ts';
import type { FatalOops } from '../facts/oopses.ts';

export default defineDetector({
  id: 'kernel-oops',
  title: 'Crash of the kernel itself',
  summary: 'A bad pointer or a BUG() in the kernel or a module stops the machine; the log tells where.',
  needs: { crash: crashCauseFact },
  appliesTo: () => true,
  // Others tell what is known better: memory used after it was freed, a broken list, a stack that overflowed.
  run: ({ crash }) => (crash?.kind === 'other' ? [findingOf(crash.fatal)] : []),
});

const CAUSES: { readonly [K in OopsKind]: string } = {
  'null-pointer': 'null-pointer-dereference',
  'page-fault': 'bad-pointer-dereference',
  'general-protection': 'general-protection-fault',
  bug: 'kernel-bug',
  'stack-overflow': 'stack-overflow',
  other: 'kernel-oops',
};

function whatHappened({ oops }: FatalOops): Prose {
  const verb =
    oops.access === 'write' ? 'wrote through' : oops.access === 'execute' ? 'jumped through' : 'read through';
  switch (oops.kind) {
    case 'null-pointer':
      return prose`${verb} a NULL pointer${oops.address === undefined ? '' : prose` (address ${address(oops.address)})`}`;
    case 'page-fault':
      return prose`${verb} a bad pointer${oops.address === undefined ? '' : prose` (address ${address(oops.address)})`}`;
    case 'general-protection':
      return ['used an address that cannot be one'];
    case 'bug':
      return ['met a BUG() check'];
    case 'stack-overflow':
    case 'other':
      return ['failed'];
  }
}

function findingOf(fatal: FatalOops): Finding {
  const { oops, func, onStack } = fatal;
  const confidence: Confidence = onStack ? 'certain' : 'probable';
  const who = whoText(fatal);
  const because: Prose = ['only the log says so; the stack of its task does not stand there'];
  return {
    detector: 'kernel-oops',
    cause: CAUSES[oops.kind],
    role: 'cause',
    title: prose`The kernel crashed: ${placeText(oops.at)} ${whatHappened(fatal)}${who === undefined ? '' : prose`, running for ${who}`}.`,
    confidence,
    ...(onStack ? {} : { because }),
    weight: 1,
    explains: [kernelStopped],
    story: [
      { topic: 'what', text: prose`${placeText(oops.at)} ${whatHappened(fatal)}.`, detail: true },
      ...aroundLines(fatal),
    ],
    evidence: oopsEvidence(fatal),
    remedies: moduleRemedy(oops.at?.module),
    details: {
      kind: oops.kind,
      ...oopsDetails(fatal),
      resource: func === undefined ? undefined : address(func),
    },
  };
}
