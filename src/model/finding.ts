/**
 * What a detector says. A finding is data: a claim, the story on the first screen, evidence for each claim, remedies,
 * and the same as structured details for machines.
 */
import type { VirtAddr } from '../base/address.ts';
import type { Condition } from './condition.ts';
import type { Growth } from './growth.ts';
import { type Data, prose, type Prose } from './value.ts';

/**
 * `certain` read from structures that prove it; `probable` follows unless something unusual happened, or rests on a
 * layout never seen on a real dump; `possible` a hint.
 */
export type Confidence = 'certain' | 'probable' | 'possible';

/** `cause` explains the outage; `symptom` follows from something else; `trigger` made the dump; `context` informs. */
export type Role = 'cause' | 'symptom' | 'trigger' | 'context';

/** The topics of the first screen, in this order. */
export type Topic =
  | 'what'
  | 'why'
  | 'holder'
  | 'proof'
  | 'task'
  | 'waiters'
  | 'launcher'
  | 'since'
  | 'clears'
  | 'memory'
  | 'remedy';

export interface StoryLine {
  readonly topic: Topic;
  readonly text: Prose;
  /** True where the title says the same already, or it is of use only to whoever reads on: told below the first screen. */
  readonly detail?: boolean;
}

export interface Evidence {
  readonly claim: Prose;
  readonly address: VirtAddr | undefined;
  /** C type of the object at `address`: 'struct rw_semaphore'. */
  readonly ctype: string | undefined;
  readonly confidence: Confidence;
  /** Why not `certain`. */
  readonly because?: Prose;
  /** Command that shows the same by hand, in crash's spelling. */
  readonly show: string;
}

export interface Remedy {
  readonly action: Prose;
  /** What to verify first: fits after 'First make sure that'. Ends with a full stop. */
  readonly verify?: Prose;
  /** What it costs. */
  readonly caution?: Prose;
}

/** A remedy as a paragraph: what to do, what to verify first, what it costs. */
export function remedyText({ action, verify, caution }: Remedy): Prose {
  const end = action.at(-1);
  const sentence = typeof end === 'string' && end.endsWith('.');
  const first = verify === undefined ? [] : prose`${sentence ? '' : '.'} First make sure that ${verify}`;
  if (caution === undefined) return prose`${action}${first}`;
  return prose`${action}${first}${sentence || verify !== undefined ? ' But: ' : ' - but: '}${caution}`;
}

/** The first of some remedies, for the story of a finding. */
export function remedyLines(remedies: readonly Remedy[], most: number): readonly StoryLine[] {
  return remedies.slice(0, most).map((remedy) => ({ topic: 'remedy', text: remedyText(remedy) }));
}

export interface Finding {
  /** Id of the detector. */
  readonly detector: string;
  /** Stable machine-readable name of what is claimed, such as 'lock-holder-stuck-in-own-userfaultfd'. */
  readonly cause: string;
  readonly role: Role;
  readonly title: Prose;
  readonly confidence: Confidence;
  readonly because?: Prose;
  /** How many tasks or pages it concerns: ranks findings of one role and confidence. */
  readonly weight: number;
  /** Conditions that it accounts for. */
  readonly explains?: readonly Condition[];
  /** Conditions that it states and does not account for: 'memory is short'. */
  readonly shows?: readonly Condition[];
  /** Conditions without which what it tells would not be so. */
  readonly restsOn?: readonly Condition[];
  readonly story: readonly StoryLine[];
  /** How the crowd grew that it tells of. */
  readonly growth?: Growth;
  readonly evidence: readonly Evidence[];
  readonly remedies: readonly Remedy[];
  /** For machines; keys documented in docs/json-schema.md. */
  readonly details: { readonly [key: string]: Data };
}
