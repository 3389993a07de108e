/**
 * What the checks of lib/list_debug.c (CONFIG_DEBUG_LIST, CONFIG_LIST_HARDENED) say in the log before the kernel stops or
 * warns: which entry was to be added or removed, and which neighbour does not point back. Addresses are plain since 4.15;
 * hashed ones (%p) of some kernels between cannot be told from them here, so nothing is read through them unasked.
 */
import { parseAddress, type VirtAddr } from '../base/address.ts';
import type { Nanoseconds } from '../base/units.ts';
import { kernelLines } from './kernel-lines.ts';
import type { LogRecord } from './log-record.ts';

export interface ListReport {
  readonly operation: 'add' | 'remove';
  readonly headline: string;
  readonly timeNs: Nanoseconds | undefined;
  /** `struct list_head *` that was to be added or removed, where the text names it. */
  readonly entry: VirtAddr | undefined;
  /** `struct list_head *` whose pointer is wrong: the neighbour, or the entry itself when it was removed before. */
  readonly damaged: VirtAddr | undefined;
  /** What the wrong pointer holds. */
  readonly found: VirtAddr | undefined;
  /** `removed-twice`: the pointers are LIST_POISON; `added-twice`; `overwritten`: a neighbour does not point back. */
  readonly kind: 'removed-twice' | 'added-twice' | 'overwritten';
}

const HEX = '([0-9a-f]{16})';
const PATTERNS: readonly {
  readonly pattern: RegExp;
  readonly read: (m: RegExpExecArray) => Pick<ListReport, 'operation' | 'kind' | 'entry' | 'damaged' | 'found'>;
}[] = [
  {
    // 'list_del corruption. prev->next should be A, but was B. (prev=C)'; without (prev=C) until 5.18.
    pattern: new RegExp(
      `^list_del corruption\\. (?:prev->next|next->prev) should be ${HEX}, but was ${HEX}(?:\\. \\((?:prev|next)=${HEX}\\))?`,
    ),
    read: ([, entry, found, damaged]) => ({ operation: 'remove', kind: 'overwritten', ...at(entry, damaged, found) }),
  },
  {
    pattern: new RegExp(`^list_del corruption, ${HEX}->(?:next|prev) is (?:LIST_POISON\\d \\(${HEX}\\)|NULL)`),
    read: ([text, entry, found]) => ({
      operation: 'remove',
      kind: text.includes('LIST_POISON') ? 'removed-twice' : 'overwritten',
      ...at(entry, entry, found),
    }),
  },
  {
    pattern: new RegExp(
      `^list_add corruption\\. (?:next->prev should be prev|prev->next should be next) \\(${HEX}\\), but was ${HEX}\\. \\((?:next|prev)=${HEX}\\)`,
    ),
    read: ([, , found, damaged]) => ({ operation: 'add', kind: 'overwritten', ...at(undefined, damaged, found) }),
  },
  {
    pattern: new RegExp(`^list_add double add: new=${HEX}, prev=${HEX}, next=${HEX}`),
    read: ([, entry]) => ({ operation: 'add', kind: 'added-twice', ...at(entry, entry, undefined) }),
  },
];

function at(
  entry: string | undefined,
  damaged: string | undefined,
  found: string | undefined,
): Pick<ListReport, 'entry' | 'damaged' | 'found'> {
  const address = (text: string | undefined): VirtAddr | undefined =>
    text === undefined ? undefined : parseAddress(text);
  return { entry: address(entry), damaged: address(damaged), found: address(found) };
}

/**
 * The reports of broken lists, oldest first.
 * @param records - the log, `struct printk_info` and text
 */
export function listReports(records: readonly LogRecord[]): readonly ListReport[] {
  const found: ListReport[] = [];
  for (const { text, timeNs } of kernelLines(records)) {
    for (const { pattern, read } of PATTERNS) {
      const match = pattern.exec(text);
      if (match !== null) found.push({ headline: text, timeNs, ...read(match) });
    }
  }
  return found;
}
