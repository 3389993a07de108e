/**
 * LZO1X and snappy decoded the slow way, for comparison: byte by byte, every step checked by itself. After the kernel's
 * Documentation/staging/lzo.rst and snappy's format_description.txt.
 */
class Damage extends Error {}

class Reader {
  readonly out: number[] = [];
  #at = 0;
  readonly #input: Uint8Array;
  readonly #room: number;

  constructor(input: Uint8Array, room: number) {
    this.#input = input;
    this.#room = room;
  }

  get done(): boolean {
    return this.#at === this.#input.length;
  }

  byte(): number {
    const byte = this.#input[this.#at];
    if (byte === undefined) throw new Damage();
    this.#at++;
    return byte;
  }

  put(byte: number): void {
    if (this.out.length >= this.#room) throw new Damage();
    this.out.push(byte);
  }

  literals(count: number): void {
    for (let i = 0; i < count; i++) this.put(this.byte());
  }

  copy(distance: number, length: number): void {
    for (let i = 0; i < length; i++) {
      const byte = this.out[this.out.length - distance];
      if (distance < 1 || byte === undefined) throw new Damage();
      this.put(byte);
    }
  }

  /** A length of 0 in the instruction: 255 for each zero byte, and the first other byte. */
  long(length: number, added: number): number {
    if (length > 0) return length;
    let total = added;
    for (let byte = this.byte(); ; byte = this.byte()) {
      if (byte !== 0) return total + byte;
      total += 255;
    }
  }
}

function lzo(input: Uint8Array, room: number): Uint8Array {
  const reader = new Reader(input, room);
  // Literals that came last: 0 to 3, or 4 for more.
  let state = 0;
  let code = reader.byte();
  if (code > 17) {
    reader.literals(code - 17);
    state = Math.min(4, code - 17);
    code = reader.byte();
  }
  for (; ; code = reader.byte()) {
    if (code < 16 && state === 0) {
      reader.literals(3 + reader.long(code, 15));
      state = 4;
      continue;
    }
    let after: number;
    if (code < 16) {
      const distance = (code >> 2) + (reader.byte() << 2) + 1;
      reader.copy(state === 4 ? distance + 2048 : distance, state === 4 ? 3 : 2);
      after = code & 3;
    } else if (code < 64) {
      const far = code < 32;
      const length = 2 + reader.long(code & (far ? 7 : 31), far ? 7 : 31);
      const low = reader.byte();
      const field = (low >> 2) + (reader.byte() << 6);
      const distance = far ? 16384 + ((code & 8) << 11) + field : field + 1;
      if (distance === 16384 && far) {
        if (!reader.done || length !== 3) throw new Damage();
        return Uint8Array.from(reader.out);
      }
      reader.copy(distance, length);
      after = low & 3;
    } else {
      reader.copy((reader.byte() << 3) + ((code >> 2) & 7) + 1, (code >> 5) + 1);
      after = code & 3;
    }
    reader.literals(after);
    state = after;
  }
}

function snappy(input: Uint8Array, room: number): Uint8Array {
  const header = new Reader(input, 0);
  let size = 0n;
  let bytes = 0;
  for (let more = true; more; bytes++) {
    const byte = header.byte();
    if (bytes === 5) throw new Damage();
    size |= BigInt(byte & 0x7f) << BigInt(7 * bytes);
    more = byte >= 0x80;
  }
  if (size > BigInt(room)) throw new Damage();
  const reader = new Reader(input.subarray(bytes), Number(size));
  while (!reader.done) {
    const tag = reader.byte();
    const number = (count: number): number => {
      let value = 0;
      for (let i = 0; i < count; i++) value += reader.byte() * 256 ** i;
      return value;
    };
    if ((tag & 3) === 0) reader.literals(1 + (tag >> 2 < 60 ? tag >> 2 : number((tag >> 2) - 59)));
    else if ((tag & 3) === 1) reader.copy(((tag >> 5) << 8) + reader.byte(), 4 + ((tag >> 2) & 7));
    else reader.copy(number((tag & 3) === 2 ? 2 : 4), 1 + (tag >> 2));
  }
  if (BigInt(reader.out.length) !== size) throw new Damage();
  return Uint8Array.from(reader.out);
}

/** The page, or undefined for damage. */
export function modelDecode(kind: 'lzo' | 'snappy', input: Uint8Array, room: number): Uint8Array | undefined {
  try {
    return kind === 'lzo' ? lzo(input, room) : snappy(input, room);
  } catch (error) {
    if (error instanceof Damage) return undefined;
    throw error;
  }
}
