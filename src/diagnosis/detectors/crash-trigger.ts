/**
 * What set the crash off: sysrq by hand, a panic, an oops, a watchdog. It is told apart from the cause: a machine that
 * hung and was then crashed by hand has 'sysrq' here and its cause elsewhere.
 */
import { blocked, kernelStopped } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Finding } from '../../model/finding.ts';
import { duration, name, prose, type Prose } from '../../model/value.ts';
import type { CrashTrigger, TriggerKind } from '../../kernel/panic.ts';
import { hungReportsFact } from '../facts/hung-tasks.ts';
import { triggerFact } from '../facts/trigger.ts';

export default defineDetector({
  id: 'crash-trigger',
  title: 'What set the crash off',
  summary: 'The trigger of a dump (sysrq, panic, watchdog) is often taken for its cause.',
  needs: { trigger: triggerFact, hung: hungReportsFact },
  appliesTo: () => true,
  run({ trigger, hung }) {
    if (trigger === undefined) return [];
    const stuck = hung.flatMap(({ task }) => (task === undefined ? [] : [blocked(task.address)]));
    const ties = trigger.kind === 'sysrq' ? {} : { shows: [kernelStopped], restsOn: stuck };
    return [{ ...findingOf(trigger), ...ties }];
  },
});

const CAUSES: { readonly [K in TriggerKind]: string } = {
  sysrq: 'crash-by-sysrq',
  panic: 'crash-by-panic',
  oops: 'crash-by-oops',
  watchdog: 'crash-by-watchdog',
  'hung-task': 'crash-by-hung-task-watchdog',
};

function findingOf(trigger: CrashTrigger): Finding {
  const { record, kind, panic } = trigger;
  const at: Prose = record.timeNs === undefined ? [] : prose`, ${duration(record.timeNs)} after boot`;
  return {
    detector: 'crash-trigger',
    cause: CAUSES[kind],
    role: 'trigger',
    title: titleOf(trigger, at),
    confidence: 'certain',
    weight: 0,
    story: [],
    evidence: [
      {
        claim: prose`The log says: ${name(record.text.split('\n')[0] ?? '')}`,
        address: undefined,
        ctype: undefined,
        confidence: 'certain',
        show: 'log',
      },
    ],
    remedies: [],
    details: {
      kind,
      panic: panic === undefined ? undefined : name(panic),
      logTime: record.timeNs === undefined ? undefined : duration(record.timeNs),
      logText: name(record.text),
    },
  };
}

function titleOf({ kind, panic, record }: CrashTrigger, at: Prose): Prose {
  switch (kind) {
    case 'sysrq':
      return prose`Triggered by hand through sysrq${at}: that is not the cause.`;
    case 'hung-task':
      return prose`The hung-task watchdog crashed the machine${at}: the cause is what the tasks were blocked on.`;
    case 'watchdog':
      return prose`A lockup watchdog crashed the machine${at}: ${name(panic ?? '')}.`;
    default:
      return prose`The kernel stopped${at}: ${name(panic ?? record.text.split('\n')[0] ?? '')}.`;
  }
}
