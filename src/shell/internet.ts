/** Addresses of the internet and of hardware as text. */

/** '10.0.2.15', 'fe80::1': four or sixteen bytes in network order, as inet_ntop(3) writes them. */
export function internetText(bytes: Uint8Array): string {
  if (bytes.length === 4) return [...bytes].join('.');
  const words = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  // ::ffff:10.0.0.1, and ::10.0.0.1, which is no more in use.
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  const isCompatible = words.slice(0, 6).every((word) => word === 0) && words[6] !== 0;
  if (isMapped || isCompatible) return `::${isMapped ? 'ffff:' : ''}${bytes.slice(12).join('.')}`;
  const { start, length } = longestZeros(words);
  const hex = (from: number, to: number): string =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(':');
  return length < 2 ? hex(0, 8) : `${hex(0, start)}::${hex(start + length, 8)}`;
}

function longestZeros(words: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  for (let i = 0; i < words.length; i++) {
    let length = 0;
    while (words[i + length] === 0) length++;
    if (length > best.length) best = { start: i, length };
    i += length;
  }
  return best;
}

/** '52:54:00:12:34:02'. */
export function hardwareText(bytes: Uint8Array, between = ':'): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(between);
}
