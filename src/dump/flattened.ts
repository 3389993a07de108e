/**
 * makedumpfile's flattened format (-F, and what QEMU's dump-guest-memory writes for kdump), read in place: a header of
 * 4096 bytes, then records of offset, size (both big-endian 64 bits) and data, each of which belongs at its offset in the
 * dump; the end is marked with -1. Layout: makedumpfile.h `struct makedumpfile_header`, `struct
 * makedumpfile_data_header`. Opening reads the records' headers and no data; the dump inside, of either format, is then
 * read as if it stood in a file.
 *
 * What no record wrote is zero, as in the sparse file that makedumpfile -R makes; but when the file is cut off it is
 * missing and cannot be read. Does not handle: types other than 1.
 */
import { FormatError } from '../base/errors.ts';
import { type ByteSource, checkRange, type Container } from './byte-source.ts';
import { RECORD_HEADER, type RecordMap, RecordRuns } from './record-map.ts';

/** With the padding of its field. */
export const FLATTENED_SIGNATURE = 'makedumpfile\0\0\0\0';
const FILE_HEADER = 4096;
const TYPE_FLAT = 1n;
const VERSION_FLAT = 1n;
/** Read at once when looking for headers: small records lie together, and a disk reads no less. */
const LOOK_BYTES = 4096;

export class FlattenedSource implements ByteSource {
  readonly size: number;
  readonly container: Container;
  readonly #file: ByteSource;
  readonly #map: RecordMap;
  /** The file is cut off or damaged: what is not there is not known to be zero. */
  readonly #cut: boolean;

  /**
   * @param file - begins with the signature; `close` closes it
   * @throws FormatError when it has no record, is of another type, or has too many records
   */
  constructor(file: ByteSource) {
    const { map, problem } = readRecords(file);
    this.#file = file;
    this.#map = map;
    this.#cut = problem !== undefined;
    this.size = map.size;
    this.container = {
      name: 'flattened',
      fileSize: file.size,
      problems: problem === undefined ? [] : [problem],
      has: (offset, length) => !this.#cut || map.has(offset, length),
    };
    if (map.size === 0) throw new FormatError('flattened', problem ?? 'there is nothing in it');
  }

  read(offset: number, into: Uint8Array): void {
    this.#copy(offset, into, (at, part) => this.#file.read(at, part));
  }

  readOnce(offset: number, into: Uint8Array): void {
    this.#copy(offset, into, (at, part) => this.#file.readOnce(at, part));
  }

  peek(offset: number, length: number): Uint8Array {
    checkRange(this.size, offset, length);
    let whole = -1;
    this.#map.pieces(offset, length, (_, size, at) => {
      if (size === length) whole = at;
    });
    if (whole >= 0) return this.#file.peek(whole, length);
    const copy = new Uint8Array(length);
    this.read(offset, copy);
    return copy;
  }

  close(): void {
    this.#file.close();
  }

  #copy(offset: number, into: Uint8Array, read: (at: number, part: Uint8Array) => void): void {
    checkRange(this.size, offset, into.length);
    this.#map.pieces(offset, into.length, (from, length, at) => {
      const part = into.subarray(from - offset, from - offset + length);
      if (at >= 0) read(at, part);
      else if (!this.#cut) part.fill(0);
      else throw new FormatError('flattened', `bytes ${from} to ${from + length} are missing, as the file is cut off`);
    });
  }
}

interface Records {
  readonly map: RecordMap;
  /** Why the end was not reached. */
  readonly problem: string | undefined;
}

function readRecords(file: ByteSource): Records {
  if (file.size < FILE_HEADER) throw new FormatError('flattened', `the file ends in its header (${file.size} bytes)`);
  const header = new DataView(Uint8Array.from(file.peek(0, 32)).buffer);
  const type = header.getBigInt64(16);
  const version = header.getBigInt64(24);
  if (type !== TYPE_FLAT || version !== VERSION_FLAT) {
    throw new FormatError('flattened', `type ${type} and version ${version}, where 1 and 1 are known`);
  }
  const runs = new RecordRuns();
  const look = new Look(file);
  let problem: string | undefined = 'the flattened file is cut off: it has no end mark';
  let number = 1;
  let wasZero = false;
  // Every round moves on by at least a record's header.
  for (let position = FILE_HEADER; position + RECORD_HEADER <= file.size; number++) {
    let view: DataView;
    try {
      view = look.at(position);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      problem = `the flattened file cannot be read at offset ${position}: ${error.detail}`;
      break;
    }
    const start = signed64(view, 0);
    const size = signed64(view, 8);
    if (start === -1 && size === -1) {
      problem = undefined;
      break;
    }
    // Zeros are no records of nothing: wherever they end, what follows would be taken for a header.
    const isZero = start === 0 && size === 0;
    if ((isZero && wasZero) || start < 0 || size < 0 || start + size > Number.MAX_SAFE_INTEGER) {
      problem = `the flattened file is damaged: record ${number}, at offset ${position}, makes no sense; nothing behind it is read`;
      break;
    }
    wasZero = isZero;
    const at = position + RECORD_HEADER;
    runs.add(start, Math.min(size, file.size - at), at);
    position = at + size;
    if (position > file.size) problem = `the flattened file is cut off: it ends inside record ${number}`;
  }
  return { map: runs.map(), problem };
}

/** Big-endian; above 2^53 not exact, which is out of range anyway. */
function signed64(view: DataView, offset: number): number {
  return view.getInt32(offset) * 2 ** 32 + view.getUint32(offset + 4);
}

/** Headers of records, some bytes of the file at a time. */
class Look {
  readonly #file: ByteSource;
  readonly #bytes = new Uint8Array(LOOK_BYTES);
  #from = 0;
  #length = 0;

  constructor(file: ByteSource) {
    this.#file = file;
  }

  /** @throws FormatError when the header at `position` cannot be read */
  at(position: number): DataView {
    if (position < this.#from || position + RECORD_HEADER > this.#from + this.#length) {
      this.#length = 0;
      const length = Math.min(LOOK_BYTES, this.#file.size - position);
      this.#file.readOnce(position, this.#bytes.subarray(0, length));
      this.#from = position;
      this.#length = length;
    }
    return new DataView(this.#bytes.buffer, position - this.#from, RECORD_HEADER);
  }
}
