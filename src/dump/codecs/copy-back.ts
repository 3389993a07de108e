/**
 * Copies of what was written before, the second half of every LZ codec. A copy may overlap what it writes: from 3 bytes
 * back, 9 bytes are these 3 three times. Short ones are fastest byte by byte, long ones by the native calls.
 */
const SHORT = 24;
const PATTERN = 64;

/**
 * Writes `length` bytes at `to`, from `distance` bytes back. The caller has checked that `distance` is from 1 to `to` and
 * that there is room. Returns where the next byte goes.
 */
export function copyBack(into: Uint8Array, to: number, distance: number, length: number): number {
  const end = to + length;
  const start = to - distance;
  let at = to;
  if (length > SHORT) {
    if (distance === 1) {
      into.fill(into[start] ?? 0, at, end);
      return end;
    }
    if (length <= distance) {
      into.copyWithin(at, start, start + length);
      return end;
    }
  }
  if (length > PATTERN) {
    // Each round doubles what there is of the pattern.
    while (at < end) {
      const part = Math.min(at - start, end - at);
      into.copyWithin(at, start, start + part);
      at += part;
    }
    return end;
  }
  for (let from = start; at < end; ) into[at++] = into[from++] ?? 0;
  return end;
}
