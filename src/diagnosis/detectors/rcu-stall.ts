/**
 * RCU waits for a CPU that does not come by a quiescent state, and still does not at the crash: it loops in the kernel. With
 * interrupts off it is `hard-lockup`.
 */
import { defineDetector } from '../../model/diagnosis.ts';
import { lockupFinding } from '../facts/lockup-story.ts';
import { lockupFact } from '../facts/lockups.ts';

export default defineDetector({
  id: 'rcu-stall',
  title: 'CPUs that RCU waits for',
  summary: 'A CPU that loops in the kernel stops RCU, and with it whoever frees memory or changes shared tables.',
  needs: { lockup: lockupFact },
  appliesTo: () => true,
  run: ({ lockup }) =>
    lockup?.report.kind !== 'rcu-stall' || lockup.interruptsOff === true
      ? []
      : [
          lockupFinding(lockup, {
            detector: 'rcu-stall',
            cause: 'rcu-stall',
            does: 'and RCU waits for it',
            why: ['It loops in the kernel: no grace period of RCU can end before it schedules.'],
            proved: false,
          }),
        ],
});
