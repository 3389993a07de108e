/** Changes of text whose lines are `KEY=VALUE`: lines doubled, lost, moved, keys without values, extreme values. */
import type { Op } from './input.ts';
import type { Random } from './random.ts';

const VALUES = [
  '',
  '0',
  '1',
  '-1',
  '0x',
  '0xffffffffffffffff',
  '0x10000000000000000',
  'ffffffff80000000',
  'ffff888000000000',
  '18446744073709551615',
  '18446744073709551616',
  '-9223372036854775808',
  '-9223372036854775809',
  '99999999999999999999999999',
  '9007199254740993',
  '4096\r',
  ' 4096 ',
  '1e9',
  '\u001b[31m',
  '%s%n',
  'NaN',
  '\ud800',
  '(none)',
  '=',
];

export function mutateText(random: Random, part: string, bytes: Uint8Array): Op {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  const line = random.below(starts.length);
  const start = starts[line] ?? 0;
  const end = starts[line + 1] ?? text.length;
  const content = text.slice(start, end);
  const equals = content.indexOf('=');
  const insert = (at: number, added: string): Op => ({ op: 'insert', part, at, bytes: hex(added) });
  switch (random.below(8)) {
    case 0:
      return { op: 'delete', part, at: start, length: Math.max(1, end - start) };
    case 1:
      return insert(random.pick(starts), content);
    case 2:
      return { op: 'set', part, at: start + Math.max(0, equals) + 1, bytes: hex(random.pick(VALUES)) };
    case 3:
      // Before the line that it is a copy of: the first of equal keys counts.
      return insert(start, `${content.slice(0, Math.max(0, equals))}=${random.pick(VALUES)}\n`);
    case 4:
      return { op: 'cut', part, length: random.below(text.length + 1) };
    case 5:
      return insert(start, `${'A'.repeat(1 << random.below(13))}${random.chance(0.5) ? '=1\n' : ''}`);
    case 6:
      return insert(
        random.below(text.length + 1),
        random.pick(['\0', '\n', '\n\n', '=', '\r\n', '\t', '\x7f', '\x9b']),
      );
    default:
      return { op: 'flip', part, at: start + random.below(end - start + 1), bit: random.below(8) };
  }
}

function hex(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}
