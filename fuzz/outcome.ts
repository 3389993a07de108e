/** What came of one execution, and by which words outcomes are told apart. */
import { KwhyError } from '../src/base/errors.ts';
import { AllocationError } from './allocation.ts';
import type { Summary } from './input.ts';
import type { Target } from './target.ts';
import { Violation } from './violation.ts';

/**
 * `untyped`: an error that is none of the reader's; `violation`: a wrong result; `memory`: more allocated than allowed;
 * `hang`: not ended within the time; `crash`: the process died.
 */
export type FailureKind = 'untyped' | 'violation' | 'memory' | 'hang' | 'crash';

export interface Failure {
  readonly kind: FailureKind;
  readonly message: string;
  readonly stack: string;
}

export interface Outcome {
  /** 'value', the kind of a typed error, or that of a failure. */
  readonly kind: string;
  /** Equal for executions that took the same turns, as far as can be told from outside. */
  readonly signature: string;
  readonly failure: Failure | undefined;
}

export function valueOutcome(summary: Summary): Outcome {
  const words = summary.map((part) => (typeof part === 'number' ? magnitude(part) : shape(part)));
  return { kind: 'value', signature: `value ${words.join(' ')}`, failure: undefined };
}

export function errorOutcome(target: Target, error: unknown): Outcome {
  if (error instanceof KwhyError && target.throws.includes(error.kind)) {
    return { kind: error.kind, signature: `${error.kind} ${shape(error.message)}`, failure: undefined };
  }
  const kind = error instanceof AllocationError ? 'memory' : error instanceof Violation ? 'violation' : 'untyped';
  return failed(kind, error);
}

export function failed(kind: FailureKind, error: unknown): Outcome {
  const name = error instanceof Error ? error.name : typeof error;
  const text = error instanceof Error ? error.message : String(error);
  const message = kind === 'untyped' ? `${name}: ${text}` : text;
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  return { kind, signature: keyOf({ kind, message, stack }), failure: { kind, message, stack } };
}

/** Failures of one key are one finding: the same words, thrown at the same place. */
export function keyOf({ kind, message, stack }: Failure): string {
  const at = /\(?([\w.-]+\/[\w.-]+\.ts):\d+:\d+\)?$/m;
  const frames = stack.split('\n').filter((line) => line.includes('/src/') && !line.includes('/cli/guard.ts'));
  const place = at.exec(frames[0] ?? '')?.[1] ?? '';
  return `${kind} ${shape(message)}${place === '' ? '' : ` at ${place}`}`;
}

/** A message without what is particular to the input. */
function shape(text: string): string {
  return text
    .slice(0, 400)
    .replace(/'[^']*'/g, "''")
    .replace(/0x[0-9a-f]+|\b[0-9a-f]{8,}\b/gi, 'X')
    .replace(/\d+/g, 'N')
    .replace(/[^\x20-\x7e]+/g, '?')
    .slice(0, 160);
}

function magnitude(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Math.abs(value) < 4) return String(value);
  return `${value < 0 ? '-' : ''}2^${Math.floor(Math.log2(Math.abs(value)))}`;
}
