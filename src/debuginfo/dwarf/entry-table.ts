/**
 * A growing table of what was found, without repetition: two entries are one when kind, name, size, line and first member
 * agree. Columns of 32-bit numbers, and a hash table with open addressing over them.
 */
const COLUMNS = 6;
const OFFSET = 1;

export class EntryTable {
  count = 0;
  /** kind, offset, name, size, line, first member. */
  #rows = new Uint32Array(COLUMNS * 4096);
  /** Number of a row + 1; 0 is free. */
  #slots = new Uint32Array(8192);

  kind(row: number): number {
    return this.#rows[row * COLUMNS] ?? 0;
  }

  offset(row: number): number {
    return this.#rows[row * COLUMNS + OFFSET] ?? 0;
  }

  name(row: number): number {
    return this.#rows[row * COLUMNS + 2] ?? 0;
  }

  names(): Uint32Array {
    return Uint32Array.from({ length: this.count }, (_, row) => this.name(row));
  }

  numbers(): Uint32Array {
    return Uint32Array.from({ length: this.count }, (_, row) => row);
  }

  /** Offset of the entry that was added first with all of these. */
  find(kind: number, name: number, size: number, line: number, first: number): number | undefined {
    const slot = this.#slots[this.#slot(kind, name, size, line, first)] ?? 0;
    return slot === 0 ? undefined : this.offset(slot - 1);
  }

  /** False when there is one with all of these already. */
  add(kind: number, offset: number, name: number, size: number, line: number, first: number): boolean {
    const slot = this.#slot(kind, name, size, line, first);
    if (this.#slots[slot] !== 0) return false;
    if ((this.count + 1) * COLUMNS > this.#rows.length) {
      const rows = new Uint32Array(this.#rows.length * 2);
      rows.set(this.#rows);
      this.#rows = rows;
    }
    const at = this.count * COLUMNS;
    this.#rows[at] = kind;
    this.#rows[at + OFFSET] = offset;
    this.#rows[at + 2] = name;
    this.#rows[at + 3] = size;
    this.#rows[at + 4] = line;
    this.#rows[at + 5] = first;
    this.count++;
    this.#slots[slot] = this.count;
    if (this.count * 2 > this.#slots.length) this.#grow();
    return true;
  }

  /** Slot of the row, or the free one where it belongs. */
  #slot(kind: number, name: number, size: number, line: number, first: number): number {
    const rows = this.#rows;
    const mask = this.#slots.length - 1;
    let hash = Math.imul(name ^ (kind << 27), 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15) ^ line ^ (size << 13), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13) ^ first, 0xc2b2ae35);
    for (let slot = (hash ^ (hash >>> 16)) & mask; ; slot = (slot + 1) & mask) {
      const row = this.#slots[slot] ?? 0;
      if (row === 0) return slot;
      const at = (row - 1) * COLUMNS;
      if (
        rows[at] === kind &&
        rows[at + 2] === name &&
        rows[at + 3] === size >>> 0 &&
        rows[at + 4] === line >>> 0 &&
        rows[at + 5] === first
      )
        return slot;
    }
  }

  #grow(): void {
    const rows = this.#rows;
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let row = 0; row < this.count; row++) {
      const at = row * COLUMNS;
      const slot = this.#slot(
        rows[at] ?? 0,
        rows[at + 2] ?? 0,
        rows[at + 3] ?? 0,
        rows[at + 4] ?? 0,
        rows[at + 5] ?? 0,
      );
      this.#slots[slot] = row + 1;
    }
  }
}
