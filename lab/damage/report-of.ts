/** The report on an open dump as its JSON says it, in this process. */
import { unlimited } from '../../src/base/budget.ts';
import type { Pfn } from '../../src/base/address.ts';
import { KwhyError } from '../../src/base/errors.ts';
import { diagnose } from '../../src/diagnosis/engine.ts';
import type { DumpFile } from '../../src/dump/dump-file.ts';
import type { Report } from '../../src/model/report.ts';
import { programOf } from '../../src/program/open.ts';
import { reportJson } from '../../src/render/report-json.ts';
import type { ComparedReport } from './compare.ts';

/** @throws KwhyError when the dump is too damaged to start with */
export function reportOf(dump: DumpFile, onPage?: (frame: Pfn) => void): Report {
  const steps = diagnose(programOf(dump, onPage === undefined ? {} : { onPage }), unlimited);
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
  }
}

export interface Answer {
  readonly report: ComparedReport;
  /** Undefined for a report; else why there is none. */
  readonly refused: string | undefined;
  /** Errors of kwhy itself: there should be none. */
  readonly internal: readonly string[];
}

export function answerOf(dump: DumpFile): Answer {
  try {
    const report = reportOf(dump);
    const internal = report.checks.flatMap(({ reason = '' }) => (reason.startsWith('internal error') ? [reason] : []));
    return { report: JSON.parse(reportJson(report)) as ComparedReport, refused: undefined, internal };
  } catch (error) {
    if (!(error instanceof KwhyError)) return { report: {}, refused: String(error), internal: [String(error)] };
    return { report: {}, refused: error.message, internal: [] };
  }
}
