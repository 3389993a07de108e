import { expect, test } from 'vitest';
import { hardwareText, internetText } from './internet.ts';

/** inet_pton(3) of the full form. */
function six(text: string): Uint8Array {
  return Uint8Array.from(
    text.split(':').flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 255]),
  );
}

test.each([
  ['0:0:0:0:0:0:0:1', '::1'],
  ['0:0:0:0:0:0:0:0', '::'],
  ['fe80:0:0:0:78a8:5cff:fe2c:8ba1', 'fe80::78a8:5cff:fe2c:8ba1'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:0:1:0:0:0:1:1', '2001:0:1::1:1'],
  ['1:2:3:4:5:6:7:0', '1:2:3:4:5:6:7:0'],
  ['1:0:0:0:0:0:0:0', '1::'],
  ['0:0:0:0:0:ffff:a00:1', '::ffff:10.0.0.1'],
])('%s', (full, text) => {
  expect(internetText(six(full))).toBe(text);
});

test('of IPv4 and of hardware', () => {
  expect(internetText(Uint8Array.of(10, 0, 2, 15))).toBe('10.0.2.15');
  expect(hardwareText(Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 2))).toBe('52:54:00:12:34:02');
});
