/**
 * A CPU that answers nobody: a watchdog or an RCU stall names it, and its registers have interrupts off. The watchdog of
 * hard lockups is believed without registers too.
 */
import { defineDetector } from '../../model/diagnosis.ts';
import { lockupFinding } from '../facts/lockup-story.ts';
import { lockupFact } from '../facts/lockups.ts';

export default defineDetector({
  id: 'hard-lockup',
  title: 'CPUs with interrupts off',
  summary: 'A CPU that loops with interrupts off answers nobody; others wait for it until a watchdog speaks.',
  needs: { lockup: lockupFact },
  appliesTo: () => true,
  run: ({ lockup }) =>
    lockup === undefined || (lockup.interruptsOff !== true && lockup.report.kind !== 'hard-lockup')
      ? []
      : [
          lockupFinding(lockup, {
            detector: 'hard-lockup',
            cause: lockup.interruptsOff === true ? 'cpu-interrupts-off' : 'hard-lockup',
            does: ', with interrupts off',
            why: ['Neither its timer nor other CPUs reach it: whoever needs its answer waits, RCU among them.'],
            proved: lockup.interruptsOff === true,
          }),
        ],
});
