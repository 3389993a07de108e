/** ELF notes and VMCOREINFO read the slow way, for comparison. */

export interface ModelNote {
  readonly name: string;
  readonly type: number;
  readonly desc: string;
}

/** Notes up to the first that does not fit; desc as hex. */
export function modelNotes(bytes: Uint8Array): { readonly notes: readonly ModelNote[]; readonly whole: boolean } {
  const buffer = Buffer.from(bytes);
  const notes: ModelNote[] = [];
  let at = 0;
  while (buffer.length - at >= 12) {
    const nameSize = buffer.readUInt32LE(at);
    const descSize = buffer.readUInt32LE(at + 4);
    if (nameSize === 0) {
      at += 4;
      continue;
    }
    const descAt = at + 12 + nameSize + ((4 - (nameSize % 4)) % 4);
    if (buffer.length - descAt < descSize) return { notes, whole: false };
    const name =
      buffer
        .subarray(at + 12, at + 12 + nameSize)
        .toString('latin1')
        .split('\0', 1)[0] ?? '';
    notes.push({
      name,
      type: buffer.readUInt32LE(at + 8),
      desc: buffer.subarray(descAt, descAt + descSize).toString('hex'),
    });
    at = descAt + descSize + ((4 - (descSize % 4)) % 4);
  }
  return { notes, whole: true };
}

/** First value of each key. */
export function modelVmcoreinfo(bytes: Uint8Array): ReadonlyMap<string, string> {
  const [text = ''] = Buffer.from(bytes).subarray(0, 65536).toString('latin1').split('\0', 1);
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(line) ?? [];
    if (key === undefined || value === undefined || key.trim() === '') continue;
    if (!values.has(key.trim())) values.set(key.trim(), value.trim());
  }
  return values;
}
