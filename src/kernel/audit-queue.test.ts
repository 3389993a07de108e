import { expect, test } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { auditRecords } from './audit-queue.ts';

/** One record that is held, two that wait; the second says its length, as since 4.13. */
function withRecords(): KernelImage {
  const image = new KernelImage();
  image.struct('sk_buff_head', { next: 'struct sk_buff *', prev: 'struct sk_buff *', qlen: 'u32' });
  image.struct('sk_buff', { next: 'struct sk_buff *', prev: 'struct sk_buff *', len: 'unsigned int', data: 'u8 *' });
  image.struct('message', { len: 'u32', type: 'u16', flags: 'u16', seq: 'u32', pid: 'u32', text: 'char[48]' });
  const record = (label: string, next: string, type: number, text: string, told: boolean): void => {
    image.place(`${label}-data`, 'struct message', { len: told ? 16 + text.length : 0, type, text });
    image.place(label, 'struct sk_buff', {
      next: ref(next),
      len: 16 + text.length + (told ? 8 : 0),
      data: ref(`${label}-data`),
    });
  };
  image.global('audit_queue', 'struct sk_buff_head', { next: ref('first') });
  image.global('audit_hold_queue', 'struct sk_buff_head', { next: ref('held') });
  image.global('audit_retry_queue', 'struct sk_buff_head', { next: ref('audit_retry_queue') });
  record('held', 'audit_hold_queue', 1305, 'audit(1.000:1): held', false);
  record('first', 'second', 1300, 'audit(2.000:2): arch=c000003e', false);
  record('second', 'audit_queue', 1320, 'audit(2.000:2): ', true);
  return image;
}

test('records of all queues, those that are held first', () => {
  expect(auditRecords(programOfImage(withRecords()))).toEqual({
    records: [
      { queue: 'audit_hold_queue', type: 1305, text: 'audit(1.000:1): held' },
      { queue: 'audit_queue', type: 1300, text: 'audit(2.000:2): arch=c000003e' },
      { queue: 'audit_queue', type: 1320, text: 'audit(2.000:2):' },
    ],
    problem: undefined,
  });
});

test('a queue that is broken is told, and the others are shown', () => {
  const image = withRecords();
  image.write('first.next', 5);
  const { records, problem } = auditRecords(programOfImage(image));
  expect(records.map(({ type }) => type)).toEqual([1305, 1300]);
  expect(problem).toContain('audit_queue: ');
  expect(problem).toContain('the queue is broken');
  image.write('held.len', 15);
  expect(auditRecords(programOfImage(image)).problem).toContain('has 15 bytes');
  // A ring that does not lead back to its head.
  const ring = withRecords();
  ring.write('second.next', ring.address('first'));
  expect(auditRecords(programOfImage(ring)).problem).toContain('the queue is broken');
});
