/**
 * A CPU has been in the kernel for too long without letting another task run, and still is. Its interrupts work: else it is
 * `hard-lockup`.
 */
import { defineDetector } from '../../model/diagnosis.ts';
import { lockupFinding } from '../facts/lockup-story.ts';
import { lockupFact } from '../facts/lockups.ts';

export default defineDetector({
  id: 'soft-lockup',
  title: 'CPUs stuck in the kernel',
  summary: 'A loop in the kernel keeps a CPU from all other tasks; the watchdog tells where it is.',
  needs: { lockup: lockupFact },
  appliesTo: () => true,
  run: ({ lockup }) =>
    lockup?.report.kind !== 'soft-lockup' || lockup.interruptsOff === true
      ? []
      : [
          lockupFinding(lockup, {
            detector: 'soft-lockup',
            cause: 'soft-lockup',
            does: ': no other task gets this CPU',
            why: [
              'It loops in the kernel and never gives its CPU away: the watchdog task of the CPU did not get a turn.',
            ],
            proved: true,
          }),
        ],
});
