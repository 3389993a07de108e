/**
 * Judges a report against a manifest: what its first finding says, and nothing else that it might also say.
 *
 * Where a finding names its culprit and its resource: `details.culprit` or `details.holder`, and `details.resource` or
 * `details.lock`; in a circle of locks `details.cycle`, a list of `{holder, lock}`. A finding that names several
 * culprits names a wrong one as soon as one of them is wrong, so listing everybody does not help. Where the guest counted
 * who waits behind the cause, `details.behind` must be that number.
 */
import type { Expected } from './manifest.ts';

/** The parts of a finding of `kwhy --json` that are judged; see docs/json-schema.md. */
export interface JudgedFinding {
  readonly cause?: string;
  readonly role?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly remedies?: readonly { readonly action?: unknown }[];
}

/** The parts of a report that are judged. */
export interface JudgedReport {
  readonly findings?: readonly JudgedFinding[];
}

/** From best to worst. */
export const VERDICTS = ['right', 'partly', 'silent', 'wrong'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** A verdict and why it is not better. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly why: string;
}

/** The worst of some verdicts: what counts for an incident. */
export function worst(verdicts: readonly Verdict[]): Verdict | undefined {
  return [...VERDICTS].reverse().find((verdict) => verdicts.includes(verdict));
}

type Members = Readonly<Record<string, unknown>>;

function record(value: unknown): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};
}

/** Advice that is right under one cause alone: elsewhere it takes memory from a machine for nothing. */
const RESERVE = 'vm.min_free_kbytes';
const RESERVE_TOO_SMALL = 'min-free-too-low';

/** A finding that says what is wrong; triggers and context do not. */
function claims(finding: JudgedFinding): boolean {
  return finding.role !== 'trigger' && finding.role !== 'context';
}

interface Task {
  readonly pid: unknown;
  readonly comm: unknown;
}

/** The task of `{pid, comm}` or `{task: {pid, comm}}`. */
function taskOf(value: unknown): Task[] {
  const task = 'pid' in record(value) ? record(value) : record(record(value)['task']);
  return 'pid' in task ? [{ pid: task['pid'], comm: task['comm'] }] : [];
}

function cycleOf(details: Members): Members[] {
  return Array.isArray(details['cycle']) ? details['cycle'].map(record) : [];
}

/** Everybody whom a finding blames. */
export function culpritsOf(finding: JudgedFinding): Task[] {
  const details = record(finding.details);
  return [details['culprit'], details['holder'], ...cycleOf(details).map((link) => link['holder'])].flatMap(taskOf);
}

/** The addresses that a finding calls the resource. */
export function resourcesOf(finding: JudgedFinding): string[] {
  const details = record(finding.details);
  const named = [details['resource'], details['lock'], ...cycleOf(details).map((link) => link['lock'])];
  return named
    .map((value) => (typeof value === 'string' ? value : record(value)['address']))
    .filter((value) => typeof value === 'string');
}

function judgeClaim(first: JudgedFinding, expected: Expected): Judgement {
  const cause = first.cause ?? 'no cause';
  if (!expected.causes.includes(cause)) return { verdict: 'wrong', why: `says ${cause}` };
  const culprits = culpritsOf(first);
  const stranger = culprits.find(
    ({ pid, comm }) => expected.culprits?.some((culprit) => culprit.pid === pid && culprit.comm === comm) === false,
  );
  if (stranger !== undefined) {
    return { verdict: 'wrong', why: `blames ${String(stranger.comm)} (${String(stranger.pid)})` };
  }
  const resources = resourcesOf(first);
  const missing: string[] = [];
  if (expected.culprits !== undefined && culprits.length === 0) missing.push('names no culprit');
  if (expected.resources !== undefined) {
    const other = resources.find((address) => expected.resources?.some((known) => known.address === address) === false);
    if (resources.length === 0) missing.push('names no resource');
    else if (other !== undefined) missing.push(`names another resource, ${other}`);
  }
  const { behind, cycle } = expected;
  const counted = record(first.details)['behind'];
  if (behind !== undefined && counted !== behind) missing.push(`counts ${String(counted)} behind it, not ${behind}`);
  const links = cycleOf(record(first.details)).length;
  if (cycle !== undefined && links !== cycle) missing.push(`names a circle of ${links}, not of ${cycle}`);
  return missing.length === 0 ? { verdict: 'right', why: '' } : { verdict: 'partly', why: missing.join('; ') };
}

/**
 * Judges a report.
 *
 * `right`: the first finding has a right cause, a right culprit and the resource's address, as far as the manifest asks
 * for them; or nothing is claimed where nothing is wrong. `partly`: right cause, but culprit or resource is missing, or
 * the right cause stands only in a later finding and none that claims something else comes first. `silent`: nothing is
 * claimed. `wrong`: another cause, or another culprit, comes first, whatever its confidence; or the kernel's reserve of
 * pages is to be raised where it was not too small.
 */
export function judge(report: JudgedReport, expected: Expected): Judgement {
  const findings = report.findings ?? [];
  const advice = findings.flatMap(({ remedies = [] }) => remedies.map(({ action }) => String(action)));
  if (!expected.causes.includes(RESERVE_TOO_SMALL) && advice.some((text) => text.includes(RESERVE)))
    return { verdict: 'wrong', why: `advises to set ${RESERVE}` };
  const first = findings[0];
  const claimed = first !== undefined && claims(first);
  if (expected.causes.length === 0) {
    return claimed ? { verdict: 'wrong', why: `says ${first.cause ?? 'no cause'}` } : { verdict: 'right', why: '' };
  }
  if (claimed) return judgeClaim(first, expected);
  const later = findings.find((finding) => finding.cause !== undefined && expected.causes.includes(finding.cause));
  return later === undefined
    ? { verdict: 'silent', why: 'claims nothing' }
    : { verdict: 'partly', why: `says ${later.cause ?? ''} without claiming it` };
}
