/** What set off the crash, as the log tells it. */
import { crashTrigger, type CrashTrigger } from '../../kernel/panic.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { logFact } from './log.ts';

export const triggerFact = defineFact<CrashTrigger | undefined>({
  id: 'trigger',
  derive: ({ use }) => crashTrigger(use(logFact).records),
});
