/** What the log says of memory that could not be had: the OOM killer's reports, and allocations that failed. */
import { type AllocationFailure, allocationFailures } from '../../kernel/allocation-failure.ts';
import { type OomReport, oomReports } from '../../kernel/oom-report.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { logFact } from './log.ts';

export interface OomLog {
  /** Oldest first. */
  readonly reports: readonly OomReport[];
  /** Oldest first. */
  readonly failures: readonly AllocationFailure[];
}

export const oomLogFact = defineFact<OomLog>({
  id: 'oom-log',
  derive({ program, use }) {
    const { records } = use(logFact);
    return { reports: oomReports(records, program.pageSize), failures: allocationFailures(records) };
  },
});
