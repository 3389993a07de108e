/** Where the fields of ELF notes lie. */
import type { Field } from '../input.ts';

const pad = (size: number): number => (size + 3) & ~3;

/** @param size - of the notes from `start` on */
export function noteFields(part: string, bytes: Uint8Array, start: number, size: number): readonly Field[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: Field[] = [];
  for (let at = start; at + 12 <= start + size; ) {
    fields.push({ part, at, size: 4, role: 'length', group: 'note size' });
    fields.push({ part, at: at + 4, size: 4, role: 'length', group: 'note size' });
    fields.push({ part, at: at + 8, size: 4, role: 'kind', group: 'note type' });
    fields.push({ part, at: at + 12, size: 1, role: 'value', group: 'note type' });
    at += 12 + pad(view.getUint32(at, true)) + pad(view.getUint32(at + 4, true));
  }
  return fields;
}
