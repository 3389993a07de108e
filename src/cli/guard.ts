/**
 * Ends synchronous work from outside. A handler of SIGINT runs between turns of the event loop only, and the core is
 * one long turn; so Node's own watchdog is asked (`breakOnSigint` of node:vm), which ends running code at once, loops
 * and WebAssembly included. It costs half a millisecond. What ran is dead then: nothing of it may be resumed, and no
 * `finally` of it has run. Whoever wants to show what was known keeps it outside.
 */
import { Script } from 'node:vm';
import { CancelledError } from '../base/errors.ts';

/**
 * Runs `work`.
 * @param hardLimit - milliseconds after which work is ended that did not ask its budget; undefined for none
 * @throws CancelledError on Ctrl-C or at the limit; and what `work` throws
 */
export type Guard = <T>(work: () => T, hardLimit: number | undefined) => T;

const KEY = 'kwhy.guarded';

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

export const guard: Guard = (work, hardLimit) => {
  const results: ReturnType<typeof work>[] = [];
  const key = Symbol.for(KEY);
  // A script sees nothing but globals.
  Object.defineProperty(globalThis, key, { configurable: true, value: () => void results.push(work()) });
  try {
    new Script(`globalThis[Symbol.for('${KEY}')]()`).runInThisContext({
      breakOnSigint: true,
      displayErrors: false,
      ...(hardLimit === undefined ? {} : { timeout: Math.ceil(hardLimit) }),
    });
  } catch (error) {
    if (codeOf(error) === 'ERR_SCRIPT_EXECUTION_INTERRUPTED') throw new CancelledError('interrupt');
    if (codeOf(error) === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw new CancelledError('time-limit');
    throw error;
  } finally {
    Reflect.deleteProperty(globalThis, key);
  }
  const [result] = results;
  return result as ReturnType<typeof work>;
};
