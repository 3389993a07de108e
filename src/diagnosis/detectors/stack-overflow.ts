/**
 * A kernel stack was too small: the guard page below it was hit. Says which function fills it, when one calls itself, and
 * who called it first as far as the log shows.
 */
import { kernelStopped } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import { virt } from '../../base/address.ts';
import type { Finding, StoryLine } from '../../model/finding.ts';
import { address, command, prose, type Prose, symbol, name, plural } from '../../model/value.ts';
import { type CrashCause, crashCauseFact } from '../facts/crash-cause.ts';
import { aroundLines, moduleRemedy, oopsDetails, oopsEvidence, placeText, whoText } from '../facts/oops-story.ts';

export default defineDetector({
  id: 'stack-overflow',
  title: 'Kernel stacks that overflowed',
  summary: 'A function that calls itself too deeply, or many large frames, run over the end of the kernel stack.',
  needs: { crash: crashCauseFact },
  appliesTo: () => true,
  run: ({ crash }) => (crash?.kind === 'stack-overflow' ? [findingOf(crash)] : []),
});

type Overflow = Extract<CrashCause, { kind: 'stack-overflow' }>;

function findingOf({ fatal, recursion, stack }: Overflow): Finding {
  const who = whoText(fatal);
  const deep = recursion?.place;
  const what: Prose =
    deep === undefined
      ? prose`${placeText(fatal.oops.at)} ran over the end of its kernel stack`
      : prose`${functionText(deep)} calls itself until the kernel stack is full`;
  const start = deep === undefined ? fatal.func : recursion?.func;
  return {
    detector: 'stack-overflow',
    cause: 'stack-overflow',
    role: 'cause',
    title: prose`Stack overflow: ${what}${who === undefined ? '' : prose`, running for ${who}`}.`,
    confidence: deep === undefined ? 'probable' : 'certain',
    ...(deep === undefined ? { because: ['what filled the stack is not known'] } : {}),
    weight: 1,
    explains: [kernelStopped],
    story: [
      { topic: 'what', text: prose`${what}.`, detail: true },
      ...(recursion === undefined
        ? []
        : [
            {
              topic: 'why' as const,
              text: prose`${symbol(recursion.place.func)} stands ${plural(recursion.times, 'time')} in the call trace of the log.`,
            },
          ]),
      ...guardLines(fatal, stack),
      ...aroundLines(fatal),
    ],
    evidence: oopsEvidence(fatal),
    remedies: moduleRemedy((deep ?? fatal.oops.at)?.module),
    details: {
      ...oopsDetails(fatal),
      recursion:
        recursion === undefined
          ? undefined
          : { name: recursion.place.func, module: recursion.place.module, times: recursion.times },
      resource: start === undefined ? undefined : address(start),
    },
  };
}

/** Beyond its end the kernel leaves a page unmapped. */
const GUARD = 4096n;

/** That the address it fell at lies just below the stack. */
function guardLines({ instruction, task }: Overflow['fatal'], stack: Overflow['stack']): readonly StoryLine[] {
  const at = instruction?.operand?.address;
  if (at === undefined || stack === undefined || task === undefined) return [];
  const below = stack - at;
  if (below <= 0n || below > GUARD) return [];
  return [
    {
      topic: 'proof',
      text: prose`The address ${address(virt(at))} lies ${plural(Number(below), 'byte')} below the end of that stack, ${address(stack)}; by hand: ${command(`task -R stack ${task.pid}`)}.`,
    },
  ];
}

function functionText({ func, module }: { readonly func: string; readonly module: string | undefined }): Prose {
  return prose`${symbol(func)}${module === undefined ? '' : prose` of module ${name(module)}`}`;
}
