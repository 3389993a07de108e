import { describe, expect, it } from 'vitest';
import type { LogRecord } from './log-record.ts';
import { listReports } from './list-report.ts';

const record = (text: string, facility = 0): LogRecord => ({
  seq: 0n,
  timeNs: undefined,
  level: 1,
  facility,
  caller: undefined,
  continuation: false,
  device: undefined,
  text,
});
const A = 0xff112233445566a0n;
const B = 0x4141414141414141n;
const C = 0xff112233445566c0n;
const hex = (value: bigint): string => value.toString(16);

describe('broken lists', () => {
  it.each([
    [
      `list_del corruption. prev->next should be ${hex(A)}, but was ${hex(B)}. (prev=${hex(C)})`,
      { operation: 'remove', kind: 'overwritten', entry: A, found: B, damaged: C },
    ],
    [
      `list_del corruption. next->prev should be ${hex(A)}, but was ${hex(B)}`,
      { operation: 'remove', kind: 'overwritten', entry: A, found: B, damaged: undefined },
    ],
    [
      `list_del corruption, ${hex(A)}->next is LIST_POISON1 (dead000000000100)`,
      { operation: 'remove', kind: 'removed-twice', entry: A, damaged: A, found: 0xdead000000000100n },
    ],
    [`list_del corruption, ${hex(A)}->next is NULL`, { kind: 'overwritten', entry: A, damaged: A, found: undefined }],
    [
      `list_add corruption. prev->next should be next (${hex(A)}), but was ${hex(B)}. (prev=${hex(C)}).`,
      { operation: 'add', kind: 'overwritten', entry: undefined, found: B, damaged: C },
    ],
    [
      `list_add double add: new=${hex(A)}, prev=${hex(C)}, next=${hex(A)}.`,
      { operation: 'add', kind: 'added-twice', entry: A },
    ],
  ])('%s', (text, expected) => {
    expect(listReports([record(text)])).toMatchObject([{ headline: text, ...expected }]);
  });

  it('are not what user space says, and not half a line', () => {
    const text = `list_del corruption, ${hex(A)}->next is NULL`;
    expect(listReports([record(text, 1)])).toEqual([]);
    expect(listReports([record('list_del corruption. prev->next should be ff11')])).toEqual([]);
  });
});
