/**
 * LZO1X and snappy compressors for tests, by the descriptions of the two formats alone (the kernel's
 * Documentation/staging/lzo.rst, snappy's format_description.txt): share nothing with the decoders. Greedy and small;
 * they use every instruction of the formats that a page can need.
 */

/** `literals` bytes as they are, then `length` bytes from `distance` back; the last one of a page has length 0. */
interface Piece {
  readonly from: number;
  readonly literals: number;
  readonly length: number;
  readonly distance: number;
}

/** @param near - also copies of 2 bytes, from at most 1024 back, behind 1 to 3 literals (LZO has a code for these) */
function pieces(page: Uint8Array, farthest: number, near: boolean): Piece[] {
  const out: Piece[] = [];
  // Where three bytes that hash so, and where these two bytes, were seen last.
  const triples = new Int32Array(1 << 12).fill(-1);
  const pairs = new Int32Array(near ? 1 << 16 : 0).fill(-1);
  const hash = (at: number): number =>
    Math.imul((page[at] << 16) | (page[at + 1] << 8) | page[at + 2], 0x9e3779b1) >>> 20;
  let from = 0;
  for (let at = 0; at < page.length; ) {
    const before = at + 2 < page.length ? triples[hash(at)] : -1;
    const pair = near && at + 1 < page.length ? pairs[(page[at] << 8) | page[at + 1]] : -1;
    let distance = at - before;
    let length = 0;
    if (before >= 0 && distance <= farthest) {
      while (at + length < page.length && page[before + length] === page[at + length]) length++;
    }
    if (length < 3) {
      const literals = at - from;
      distance = at - pair;
      length = pair >= 0 && distance <= 1024 && literals >= 1 && literals <= 3 ? 2 : 0;
    }
    if (length > 0) out.push({ from, literals: at - from, length, distance });
    const next = at + Math.max(1, length);
    for (; at < next; at++) {
      if (at + 2 < page.length) triples[hash(at)] = at;
      if (near && at + 1 < page.length) pairs[(page[at] << 8) | page[at + 1]] = at;
    }
    if (length > 0) from = at;
  }
  out.push({ from, literals: page.length - from, length: 0, distance: 0 });
  return out;
}

/** The page that the tests have in the form that the real libraries gave it: text, zeros, the same text again. */
export function vectorPage(): Uint8Array {
  const lines = Array.from(
    { length: 40 },
    (_, i) => `${i} the quick brown fox ${i * 7919} ${'RSD'.charAt(i % 3).repeat(i % 9)}\n`,
  ).join('');
  return Buffer.from(`${lines}${'\0'.repeat(2000)}${lines}`.slice(0, 4096).padEnd(4096, '\xaa'), 'latin1');
}

export function lzoCompress(page: Uint8Array): Uint8Array {
  const out: number[] = [];
  /** Where the two bits of literals of the last copy stand; -1 at the start. */
  let bits = -1;
  const long = (length: number): void => {
    // Longer by 255 for each zero byte, then the rest, which is not zero.
    let rest = length;
    for (; rest > 255; rest -= 255) out.push(0);
    out.push(rest);
  };
  for (const { from, literals, length, distance } of pieces(page, 49151, true)) {
    if (literals > 0) {
      if (bits < 0 && literals <= 238) out.push(17 + literals);
      else if (bits >= 0 && literals <= 3) out[bits] = (out[bits] ?? 0) | literals;
      else if (literals <= 18) out.push(literals - 3);
      else {
        out.push(0);
        long(literals - 18);
      }
      out.push(...page.subarray(from, from + literals));
    }
    if (length === 0) continue;
    if (length === 2) {
      bits = out.length;
      out.push(((distance - 1) & 3) << 2, (distance - 1) >> 2);
    } else if (length === 3 && literals >= 4 && distance > 2048 && distance <= 3072) {
      bits = out.length;
      out.push(((distance - 2049) & 3) << 2, (distance - 2049) >> 2);
    } else if (length <= 8 && distance <= 2048) {
      bits = out.length;
      const code = length <= 4 ? 64 + ((length - 3) << 5) : 128 + ((length - 5) << 5);
      out.push(code | (((distance - 1) & 7) << 2), (distance - 1) >> 3);
    } else {
      const far = distance > 16384;
      const offset = far ? distance - 16384 : distance - 1;
      const code = far ? 16 | ((offset >> 14) << 3) : 32;
      const most = far ? 7 : 31;
      if (length - 2 <= most) out.push(code | (length - 2));
      else {
        out.push(code);
        long(length - 2 - most);
      }
      bits = out.length;
      out.push((offset << 2) & 0xff, (offset >> 6) & 0xff);
    }
  }
  return Uint8Array.from([...out, 17, 0, 0]);
}

export function snappyCompress(page: Uint8Array): Uint8Array {
  const out: number[] = [];
  let size = page.length;
  for (; size >= 128; size = Math.floor(size / 128)) out.push((size % 128) | 128);
  out.push(size);
  for (const { from, literals, length, distance } of pieces(page, 65535, false)) {
    if (literals > 0) {
      if (literals <= 60) out.push((literals - 1) << 2);
      else if (literals <= 256) out.push(60 << 2, literals - 1);
      else out.push(61 << 2, (literals - 1) & 0xff, (literals - 1) >> 8);
      out.push(...page.subarray(from, from + literals));
    }
    for (let rest = length; rest > 0; ) {
      const part = Math.min(rest, 64);
      if (part >= 4 && part <= 11 && distance < 2048) {
        out.push(1 | ((part - 4) << 2) | ((distance >> 8) << 5), distance & 0xff);
      } else if (part % 2 === 0) {
        out.push(2 | ((part - 1) << 2), distance & 0xff, distance >> 8);
      } else {
        // Never needed in a page, but allowed.
        out.push(3 | ((part - 1) << 2), distance & 0xff, distance >> 8, 0, 0);
      }
      rest -= part;
    }
  }
  return Uint8Array.from(out);
}
