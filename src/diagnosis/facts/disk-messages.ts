/** What the log says of a disk that does not answer: of timeouts, aborts, resets and errors, by the disk's name. */
import { defineFact } from '../../model/diagnosis.ts';
import { logFact } from './log.ts';

export interface DiskMessages {
  readonly count: number;
  /** The last one, without what lies behind its first line. */
  readonly last: string;
}

export interface MessagesOfDisks {
  /** @returns undefined when there is none */
  of(disk: string): DiskMessages | undefined;
}

/** 'block nbd0: Possible stuck request', 'nvme nvme0: I/O 5 QID 1 timeout', 'sd 2:0:0:0: [sda] tag#5 ... timing out command'. */
const TROUBLE =
  /stuck request|timed? ?out|timing out|abort|reset|offline|I\/O error|not responding|connection (lost|closed)/i;
const MOST = 120;

export const diskMessagesFact = defineFact<MessagesOfDisks>({
  id: 'disk-messages',
  derive: ({ use }) => ({
    of(disk) {
      // Of the namespace nvme0n1 the controller nvme0 speaks.
      const controller = /^(nvme\d+)n\d+$/.exec(disk)?.[1];
      const named = (text: string): boolean => text.split(/\W+/).some((word) => word === disk || word === controller);
      const found = use(logFact).records.filter(({ text }) => TROUBLE.test(text) && named(text));
      const last = found.at(-1)?.text.split('\n')[0]?.slice(0, MOST);
      return last === undefined ? undefined : { count: found.length, last };
    },
  }),
});
