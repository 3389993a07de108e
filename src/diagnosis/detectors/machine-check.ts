/**
 * The processor reported broken hardware. One that it could not correct stops the kernel, and then no software is to blame;
 * errors that were corrected are told, as they often come before.
 */
import { kernelStopped } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { address, duration, name, plural, prose, type Prose, task as taskValue } from '../../model/value.ts';
import type { MachineCheck } from '../../kernel/machine-check.ts';
import { type MachineChecks, machineChecksFact } from '../facts/machine-checks.ts';
import { triggerFact } from '../facts/trigger.ts';

export default defineDetector({
  id: 'machine-check',
  title: 'Errors of the hardware',
  summary: 'A machine check says that memory, a cache or a bus is broken: no change of software helps.',
  needs: { found: machineChecksFact, trigger: triggerFact },
  appliesTo: () => true,
  run({ found, trigger }) {
    const panic = trigger?.panic !== undefined && FATAL.test(trigger.panic) ? trigger.panic : undefined;
    return panic === undefined && found.checks.length === 0 ? [] : [findingOf(found, panic)];
  },
});

/** Panics of arch/x86/kernel/cpu/mce and of the firmware's error source (drivers/acpi/apei/ghes.c). */
const FATAL =
  /^(Fatal (local )?machine check|Machine check from unknown source|Fatal hardware error|Uncorrected (hardware|machine)|Unrecoverable machine check|Processor context corrupt|Timeout: Not all CPUs entered broadcast exception handler)/i;

function findingOf(found: MachineChecks, panic: string | undefined): Finding {
  const { checks, worst } = found;
  const uncorrected = checks.filter((check) => check.uncorrected);
  const fatal = panic !== undefined;
  const where = worst === undefined ? '' : prose` by bank ${String(worst.bank)} of CPU ${String(worst.cpu)}`;
  const title = fatal
    ? prose`The hardware failed: an error that could not be corrected was reported${where}, and the kernel stopped.`
    : uncorrected.length > 0
      ? prose`The hardware reported ${plural(uncorrected.length, 'error')} that could not be corrected, last${where}.`
      : prose`The hardware reported and corrected ${plural(checks.length, 'error')}, last${where}.`;
  const sure = fatal && worst?.uncorrected === true;
  return {
    detector: 'machine-check',
    cause: 'machine-check',
    role: fatal ? 'cause' : 'context',
    title,
    confidence: sure ? 'certain' : fatal ? 'probable' : 'possible',
    ...(sure ? {} : { because: becauseOf(fatal) }),
    weight: checks.length,
    explains: fatal ? [kernelStopped] : [],
    story: [
      ...(worst === undefined ? [] : [{ topic: 'why' as const, text: statusText(worst) }]),
      ...(fatal ? [{ topic: 'proof' as const, text: proofText(found) }] : []),
      ...(fatal && found.task !== undefined
        ? [{ topic: 'task' as const, text: prose`${taskValue(found.task)}, on that CPU: it only met the error.` }]
        : []),
      ...(worst?.timeNs === undefined
        ? []
        : [{ topic: 'since' as const, text: prose`${duration(worst.timeNs)} after boot.`, detail: fatal }]),
      ...(fatal ? [{ topic: 'clears' as const, text: ['No: the kernel stopped.'], detail: true }] : []),
    ],
    evidence: [
      {
        claim: prose`The log says: ${name(worst?.headline ?? panic ?? '')}`,
        address: undefined,
        ctype: undefined,
        confidence: 'certain',
        show: 'log',
      },
      ...seenEvidence(found),
    ],
    remedies: [
      {
        action: [
          'Look up the bank and the status (rasdaemon, mcelog --ascii, the event log of the BMC), and replace the part that they name: memory first.',
        ],
        caution: ['an overclocked or overheated processor reports the same.'],
      },
    ],
    details: {
      panic: panic === undefined ? undefined : name(panic),
      errors: checks.length,
      uncorrected: uncorrected.length,
      cpu: worst?.cpu,
      bank: worst?.bank,
      status: worst === undefined ? undefined : hexOf(worst.status),
      contextCorrupt: worst?.contextCorrupt,
      physicalAddress: worst?.address === undefined ? undefined : hexOf(worst.address),
      resource: worst?.address === undefined ? undefined : hexOf(worst.address),
      inMemory: found.confirms,
      pagePoisoned: found.poisoned,
      task: found.task === undefined ? undefined : taskValue(found.task),
    },
  };
}

const hexOf = (value: bigint): string => `0x${value.toString(16).padStart(16, '0')}`;

/** What of the log memory confirms. */
function proofText({ confirms, seen, poisoned }: MachineChecks): Prose {
  const page = poisoned ? ['; the kernel marked the page there as broken'] : [];
  switch (confirms) {
    case 'bank':
      return prose`By the log; in memory that CPU's own record has the same bank, status and address${page}.`;
    case 'exception': {
      const where =
        seen?.ip === undefined ? '' : prose`, taken at ${seen.user ? 'user ' : ''}address ${address(seen.ip)}`;
      return prose`By the log; in memory that CPU's own record has the exception${where}${page}.`;
    }
    case undefined:
      return prose`By the log alone: memory has no record of it${page}.`;
  }
}

function seenEvidence({ confirms, seen }: MachineChecks): readonly Evidence[] {
  if (seen === undefined || confirms === undefined) return [];
  const what =
    confirms === 'bank'
      ? prose`it has bank ${String(seen.bank)}, status ${hexOf(seen.status)}`
      : prose`it has the exception, at the time stamp that the log names; the kernel stopped before it noted the bank`;
  return [
    {
      claim: prose`CPU ${String(seen.cpu)} noted the last machine check that it took: ${what}.`,
      address: seen.at,
      ctype: 'struct mce',
      confidence: 'certain',
      show: `struct mce ${seen.at.toString(16)}`,
    },
  ];
}

function becauseOf(fatal: boolean): Prose {
  return fatal
    ? ['the panic says so, and the log has no report of the processor that could not be corrected']
    : ['the machine went on: that it has to do with what is wrong is not known'];
}

function statusText({ status, uncorrected, contextCorrupt, address: physical }: MachineCheck): Prose {
  const at = physical === undefined ? '' : `, at physical address ${hexOf(physical)}`;
  const lost = contextCorrupt ? '; what the processor was doing is lost (PCC)' : '';
  // MCi_STATUS: bit 62 OVER, bits 0 to 15 the error code, whose meaning is the maker's.
  const over = ((status >> 62n) & 1n) === 1n ? '; there were more, which are not recorded (OVER)' : '';
  const code = (status & 0xffffn).toString(16).padStart(4, '0');
  return [
    `Status ${hexOf(status)}: ${uncorrected ? 'not corrected (UC)' : 'corrected'}${at}${lost}${over}; error code 0x${code}.`,
  ];
}
