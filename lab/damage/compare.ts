/**
 * Judges the report on a damaged dump by the report on the sound one, which has to be right: each claim of it may stay,
 * get weaker or go; none may take its place.
 */
import { culpritsOf, type JudgedFinding, type JudgedReport, resourcesOf } from '../judge.ts';

/** The parts of `kwhy --json` that are compared. */
export interface ComparedReport extends JudgedReport {
  readonly findings?: readonly (JudgedFinding & { readonly confidence?: string; readonly weight?: number })[];
  readonly complete?: boolean;
  readonly coverage?: readonly { readonly what: string; readonly read: number; readonly total?: number | null }[];
}

/** From best to worst. */
export const OUTCOMES = ['right', 'weaker', 'absent', 'wrong'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Comparison {
  readonly outcome: Outcome;
  /** Why it is not better. */
  readonly why: string;
}

type Finding = NonNullable<ComparedReport['findings']>[number];

const CONFIDENCES = ['certain', 'probable', 'possible'];

/** What a cause may be called when less of it is known. */
const WEAKER: { readonly [cause: string]: readonly string[] } = {
  'lock-holder-stuck-in-own-userfaultfd': ['lock-holder-waits-for-userfaultfd', 'lock-holder-stuck'],
  'lock-holder-in-reclaim': ['lock-holder-stuck'],
  'lock-cycle': ['lock-holder-stuck'],
  // Without the panic in the log: whom the killer may not choose.
  'oom-no-victim': ['oom-largest-protected'],
};
const LOCK_QUEUES = ['lock-stuck-holder-unknown', 'lock-queue'];

function claims(finding: Finding): boolean {
  return finding.role !== 'trigger' && finding.role !== 'context';
}

function isAbout(damaged: Finding, sound: Finding): boolean {
  if (damaged.cause === sound.cause) return true;
  const cause = sound.cause ?? '';
  const lesser = [...(WEAKER[cause] ?? []), ...(cause.startsWith('lock-') ? LOCK_QUEUES : [])];
  return lesser.includes(damaged.cause ?? '');
}

/** What a finding names that the sound one does not. */
function strangers(damaged: Finding, sound: Finding): string[] {
  const culprits = culpritsOf(sound).map(({ pid, comm }) => `${String(comm)} (${String(pid)})`);
  const blamed = culpritsOf(damaged).map(({ pid, comm }) => `${String(comm)} (${String(pid)})`);
  const resources = resourcesOf(sound);
  return [
    ...blamed.filter((who) => !culprits.includes(who)).map((who) => `blames ${who}`),
    ...resourcesOf(damaged)
      .filter((what) => !resources.includes(what))
      .map((what) => `names ${what}`),
  ];
}

function weakness(damaged: Finding, sound: Finding): string[] {
  const out: string[] = [];
  if (damaged.cause !== sound.cause) out.push(`says ${damaged.cause ?? ''}`);
  const [is, was] = [damaged, sound].map(({ confidence = '' }) => CONFIDENCES.indexOf(confidence));
  if ((is ?? 0) > (was ?? 0)) out.push(damaged.confidence ?? '');
  if ((damaged.weight ?? 0) < (sound.weight ?? 0)) out.push(`${damaged.weight} of ${sound.weight}`);
  if (culpritsOf(damaged).length < culpritsOf(sound).length) out.push('names no culprit');
  if (resourcesOf(damaged).length < resourcesOf(sound).length) out.push('names no resource');
  return out;
}

/** The first finding of the damaged dump, beside all of the sound one. */
export function compare(damaged: ComparedReport, sound: ComparedReport): Comparison {
  const expected = sound.findings ?? [];
  const [first] = expected.filter(claims);
  const [claim] = (damaged.findings ?? []).filter(claims);
  if (claim === undefined) {
    if (first === undefined) return { outcome: 'right', why: '' };
    const noted = damaged.findings?.find(
      (finding) => isAbout(finding, first) && strangers(finding, first).length === 0,
    );
    return noted === undefined
      ? { outcome: 'absent', why: '' }
      : { outcome: 'weaker', why: `says ${noted.cause ?? ''} as ${noted.role ?? ''}` };
  }
  const candidates = expected.filter((finding) => claims(finding) && isAbout(claim, finding));
  if (candidates.length === 0) return { outcome: 'wrong', why: `says ${claim.cause ?? ''}` };
  const same = candidates.find((finding) => strangers(claim, finding).length === 0);
  if (same === undefined) {
    const [nearest] = candidates;
    return { outcome: 'wrong', why: nearest === undefined ? '' : strangers(claim, nearest).join(', ') };
  }
  if (same !== first) return { outcome: 'absent', why: `first is ${claim.cause ?? ''}, which is true as well` };
  const why = weakness(claim, first);
  return why.length === 0 ? { outcome: 'right', why: '' } : { outcome: 'weaker', why: why.join(', ') };
}
