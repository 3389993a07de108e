/** Values that break readers, by what a field means. All are unsigned and fit the field. */
import type { Role } from './input.ts';
import type { Random } from './random.ts';

/** Powers of two and their neighbours, where checks in 8, 16, 32, 52, 53 and 64 bits end. */
const BORDERS = [7, 8, 12, 15, 16, 20, 24, 28, 31, 32, 34, 40, 47, 48, 52, 53, 62, 63].flatMap((bit) => [
  (1n << BigInt(bit)) - 1n,
  1n << BigInt(bit),
  (1n << BigInt(bit)) + 1n,
]);

const ADDRESSES = [
  0n,
  0x1000n,
  0x7fff_ffff_f000n,
  0x0000_8000_0000_0000n,
  0xdead_4ead_0000_0100n,
  0xffff_8880_0000_0000n,
  0xffff_c900_0000_0000n,
  0xffff_ea00_0000_0000n,
  0xffff_ffff_8000_0000n,
  0xffff_ffff_8100_0000n,
  0xffff_ffff_ffff_f000n,
  0xffff_ffff_ffff_ffffn,
];

/**
 * @param current - what stands there now
 * @param around - sizes that matter here: of the part, of the whole
 */
export function extremeValue(
  random: Random,
  size: number,
  role: Role,
  current: bigint,
  around: readonly number[],
): bigint {
  return BigInt.asUintN(size * 8, rawValue(random, role, current, around));
}

function rawValue(random: Random, role: Role, current: bigint, around: readonly number[]): bigint {
  const step = BigInt(random.between(1, 4));
  switch (random.below(role === 'address' ? 12 : 9)) {
    case 0:
      return random.pick([0n, 1n, 2n, 3n, 4n, 8n]);
    case 1:
      return -step;
    case 2:
      return random.pick(BORDERS);
    case 3:
      return current + step;
    case 4:
      return current - step;
    case 5:
      return random.pick([current * 2n, current / 2n, current << 8n, ~current, -current, current + 0x1000n]);
    case 6:
      return BigInt(random.pick(around.length === 0 ? [0] : around)) + BigInt(random.between(-9, 9));
    case 7:
      // A single bit of what stands there: flags, and kinds near to the right one.
      return current ^ (1n << BigInt(random.below(64)));
    case 8:
      return role === 'kind' || role === 'flags' ? BigInt(random.below(256)) : random.u64();
    default:
      return random.pick(ADDRESSES) + BigInt(random.below(3) * 8);
  }
}

/** Little-endian bytes of a value, as hex. */
export function hexOf(value: bigint, size: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes.subarray(0, size).toString('hex');
}

/** The little-endian value of a field; bytes behind the end count as 0. */
export function valueAt(bytes: Uint8Array, at: number, size: number): bigint {
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i] ?? 0);
  return value;
}
