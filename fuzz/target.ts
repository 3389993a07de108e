/** What a reader needs to be fuzzed: bases to change, and what it may throw. One file of targets/ per reader. */
import type { KwhyError } from '../src/base/errors.ts';
import type { Base } from './input.ts';

export interface Target {
  /** As `--target` names it. */
  readonly name: string;
  /** What is under test, for people. */
  readonly reads: string;
  /** The typed errors that this reader documents. Any other error is a finding, of KwhyError's other kinds too. */
  readonly throws: readonly KwhyError['kind'][];
  /** Bases by name, each with its chance. A name that ends with '#' stands for a family: a number is appended. */
  readonly bases: readonly { readonly name: string; readonly weight: number }[];
  base(name: string): Base;
  /** Bytes that one execution may allocate as typed arrays: a fixed part, and so many per byte of input. */
  readonly allocates: { readonly fixed: number; readonly perByte: number };
  /** Old-space limit of the process, MiB; 256 unless said. */
  readonly heap?: number;
}
