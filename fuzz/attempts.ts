/** What is damaged may say so, by any of the errors about data; how often, it counts. */
import { isDataError } from '../src/base/errors.ts';
import { Tally } from './tally.ts';

export class Attempts {
  readonly kinds = new Tally();
  /** For targets that look only so often. */
  looks = 0;

  make<T>(action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (!isDataError(error)) throw error;
      this.kinds.add(error.kind);
      return undefined;
    }
  }
}
