/**
 * The answer in one sentence, and what to do where no cause was found. A machine is called healthy only where everything
 * could be read, every check ran that could, and nothing was noticed. Knows no detector.
 */
import { kernelStopped } from '../model/condition.ts';
import type { Finding } from '../model/finding.ts';
import type { Check, KeyValue } from '../model/report.ts';
import { command, plural, prose, type Prose } from '../model/value.ts';
import { PILE_UP } from './facts/thresholds.ts';

export interface Known {
  /** Ranked. */
  readonly findings: readonly Finding[];
  readonly checks: readonly Check[];
  readonly complete: boolean;
  readonly system: readonly KeyValue[];
}

export function summaryOf(known: Known): Prose {
  const { findings, checks, complete } = known;
  const cause = findings.find((finding) => finding.role === 'cause');
  if (cause !== undefined) return cause.title;
  const ran = checks.filter((check) => check.status === 'silent' || check.status === 'spoke').length;
  const not = checks.length - ran;
  const rest = prose`${plural(not, 'check')} could not run`;
  if (ran === 0) return prose`Nothing is known of a cause: ${rest}.`;
  const healthy = isHealthy(known) ? 'The machine looks healthy: ' : '';
  // Of what was not read nothing is known: silence about it is no clean bill.
  const where = complete ? '' : ' in what could be read';
  const noticed = findings.some(({ role }) => role === 'context') ? '; what was noticed may be normal' : '';
  return prose`${healthy}${plural(ran, 'check')} found no cause of a hang or of a memory shortage${where}${noticed}${not === 0 ? '' : prose`; ${rest}`}.`;
}

/** What to look at next; nothing where a cause was found. */
export function adviceOf(known: Known): readonly Prose[] {
  const { findings, checks } = known;
  if (findings.some(({ role }) => role === 'cause') || !checks.some(hasRun)) return [];
  const out: Prose[] = [];
  if (stoppedItself(findings))
    out.push(
      prose`The kernel stopped itself: ${command('log')} shows its last messages, ${command('bt')} the stack of the task that ran.`,
    );
  const blocked = blockedOf(known);
  if (blocked >= PILE_UP)
    out.push(
      prose`${plural(blocked, 'task')} were in uninterruptible sleep: in kwhy's shell ${command('stacks')} shows where, ${command('why PID')} what one of them waits for.`,
    );
  if (isHealthy(known))
    out.push([
      'If it was in trouble, that was over by then, or lay outside of it (network, storage, host): make the next dump while the trouble lasts.',
    ]);
  else if (!stoppedItself(findings))
    out.push([
      'Make a second dump while the trouble lasts: what stands still is the same in both, what is only slow has moved.',
    ]);
  return out;
}

const hasRun = ({ status }: Check): boolean => status === 'silent' || status === 'spoke';

function isHealthy(known: Known): boolean {
  const { findings, checks, complete } = known;
  // Checks that do not fit this kernel were skipped, which is told.
  const whole = complete && checks.some(hasRun);
  return (
    whole && findings.every(({ role }) => role === 'trigger') && !stoppedItself(findings) && blockedOf(known) < PILE_UP
  );
}

/** Somebody who crashes a machine by hand shows nothing by that. */
function stoppedItself(findings: readonly Finding[]): boolean {
  return findings.some(({ role, shows }) => role === 'trigger' && shows?.includes(kernelStopped) === true);
}

/** Tasks in uninterruptible sleep: one or two are there on any machine. */
function blockedOf({ system }: Known): number {
  const data = system.find(({ key }) => key === 'tasks')?.data;
  const blocked = typeof data === 'object' && 'uninterruptible' in data ? data.uninterruptible : undefined;
  return typeof blocked === 'number' ? blocked : 0;
}
