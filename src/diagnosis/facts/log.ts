/** The kernel's log, read once. */
import { type KernelLog, readLog } from '../../kernel/printk.ts';
import { defineFact } from '../../model/diagnosis.ts';

export const logFact = defineFact<KernelLog>({
  id: 'log',
  derive({ program, cover }) {
    const log = readLog(program);
    const read = log.records.length;
    const missing = [
      ...(log.lost > 0 ? [`${log.lost} records without readable text`] : []),
      ...(log.problem === undefined ? [] : [log.problem]),
    ];
    cover({ what: 'log records', read, total: log.problem === undefined ? read + log.lost : undefined, missing });
    return log;
  },
});
