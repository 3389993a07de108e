/**
 * The log since 5.10, kernel/printk/printk_ringbuffer.c (`struct printk_ringbuffer`): a ring of descriptors, one of
 * `struct printk_info`, and a ring of text blocks. A descriptor's state_var holds its id and its state; only committed and
 * finalized records are whole. Each record is read on its own, so damage costs the records that it hit and no others.
 */
import { add, type VirtAddr } from '../base/address.ts';
import { cstring } from '../base/bytes.ts';
import { FaultError, ValidationError } from '../base/errors.ts';
import { nanoseconds } from '../base/units.ts';
import type { Program } from '../program/program.ts';
import {
  callerOf,
  checkLogLayout,
  decodeText,
  type KernelLog,
  LOG_CONT,
  type LogRecord,
  logOffset,
  logSize,
} from './log-record.ts';

/** The largest log buffer that a kernel accepts has 2^31 bytes, and by default 2^5 bytes for each record. */
const MAX_COUNT_BITS = 26;
const MAX_SIZE_BITS = 31;
/** As many missing records in a row are no damage but nonsense. */
const MAX_MISSING = 1 << 16;
/** The upper two bits of state_var are the state, the rest is the id. */
const STATE_SHIFT = 62n;
const ID_MASK = (1n << STATE_SHIFT) - 1n;
const RESERVED = 0n;
const REUSABLE = 3n;
/** Bit 0 of a position: there is no data. FAILED_LPOS: there was no room for it; NO_LPOS: the text is empty. */
const FAILED_LPOS = 1n;
const BLOCK_ID = 8;

/** Why a record is missing: for the count and for the words. */
type Loss = 'damaged' | 'unreadable' | 'being written' | 'without room for their text';

/**
 * All records of a ring buffer.
 * @param at - `struct printk_ringbuffer *`
 * @returns the sound records, oldest first; damaged ones are counted
 * @throws FaultError, FormatError, LookupError, ValidationError when the ring itself cannot be read
 */
export function readPrintkRingbuffer(program: Program, at: VirtAddr): KernelLog {
  const ring = new Ring(program, at);
  const records: LogRecord[] = [];
  const losses = new Map<Loss, number>();
  let missing = 0;
  // From the newest back: in a ring that is damaged beyond reason the last messages still matter most.
  for (const id of ring.ids()) {
    const found = ring.record(id);
    if (typeof found === 'object') records.push(found);
    else if (found !== undefined) losses.set(found, (losses.get(found) ?? 0) + 1);
    missing = typeof found === 'object' ? 0 : missing + 1;
    if (missing < MAX_MISSING) continue;
    ring.problem = `the log is cut off: ${missing} records in a row are missing`;
    break;
  }
  records.reverse();
  const lost = [...losses.values()].reduce((sum, n) => sum + n, 0);
  const words = [...losses].map(([why, n]) => `${n} ${why}`).join(', ');
  const problem = [ring.problem, words === '' ? undefined : `records of the log are missing: ${words}`];
  return {
    records,
    lost,
    problem: problem.filter((each) => each !== undefined).join('; ') || undefined,
    format: 'printk_ringbuffer',
  };
}

class Ring {
  problem: string | undefined;
  readonly #program: Program;
  readonly #descs: VirtAddr;
  readonly #infos: VirtAddr;
  readonly #count: number;
  readonly #headId: bigint;
  readonly #tailId: bigint;
  readonly #text: { readonly data: VirtAddr; readonly sizeBits: bigint };
  readonly #desc: { readonly size: number; readonly state: number; readonly begin: number; readonly next: number };
  readonly #info: {
    readonly size: number;
    readonly seq: number;
    readonly time: number;
    readonly textLength: number;
    readonly caller: number;
    readonly subsystem: number;
    readonly device: number;
    readonly deviceEnd: number;
  };

  constructor(program: Program, at: VirtAddr) {
    this.#program = program;
    const memory = program.memory;
    const offset = (type: string, member: string): number => logOffset(program, type, member);
    const descRing = add(at, offset('printk_ringbuffer', 'desc_ring'));
    const textRing = add(at, offset('printk_ringbuffer', 'text_data_ring'));
    const countBits = memory.readU32(add(descRing, offset('prb_desc_ring', 'count_bits')));
    const sizeBits = memory.readU32(add(textRing, offset('prb_data_ring', 'size_bits')));
    if (countBits < 1 || countBits > MAX_COUNT_BITS)
      throw new ValidationError('struct prb_desc_ring', descRing, `count_bits is ${countBits}`);
    if (sizeBits < 4 || sizeBits > MAX_SIZE_BITS)
      throw new ValidationError('struct prb_data_ring', textRing, `size_bits is ${sizeBits}`);
    this.#count = 2 ** countBits;
    this.#descs = memory.readPointer(add(descRing, offset('prb_desc_ring', 'descs')));
    this.#infos = memory.readPointer(add(descRing, offset('prb_desc_ring', 'infos')));
    this.#headId = memory.readU64(add(descRing, offset('prb_desc_ring', 'head_id'))) & ID_MASK;
    this.#tailId = memory.readU64(add(descRing, offset('prb_desc_ring', 'tail_id'))) & ID_MASK;
    this.#text = {
      data: memory.readPointer(add(textRing, offset('prb_data_ring', 'data'))),
      sizeBits: BigInt(sizeBits),
    };
    const position = offset('prb_desc', 'text_blk_lpos');
    this.#desc = {
      size: logSize(program, 'prb_desc'),
      state: offset('prb_desc', 'state_var'),
      begin: position + offset('prb_data_blk_lpos', 'begin'),
      next: position + offset('prb_data_blk_lpos', 'next'),
    };
    const device = offset('printk_info', 'dev_info');
    this.#info = {
      size: logSize(program, 'printk_info'),
      seq: offset('printk_info', 'seq'),
      time: offset('printk_info', 'ts_nsec'),
      textLength: offset('printk_info', 'text_len'),
      caller: offset('printk_info', 'caller_id'),
      subsystem: device + offset('dev_printk_info', 'subsystem'),
      device: device + offset('dev_printk_info', 'device'),
      deviceEnd: device + logSize(program, 'dev_printk_info'),
    };
    const { size, seq, time, textLength, caller, deviceEnd } = this.#info;
    const { state, begin, next } = this.#desc;
    checkLogLayout('prb_desc', this.#desc.size, [state + 8, begin + 8, next + 8]);
    checkLogLayout('printk_info', size, [seq + 8, time + 8, textLength + 4, caller + 4, deviceEnd]);
  }

  /** Ids of the descriptors in use, newest first: never more than the ring has. */
  *ids(): Generator<bigint> {
    let used = ((this.#headId - this.#tailId) & ID_MASK) + 1n;
    if (used > BigInt(this.#count)) {
      this.problem = 'the tail of the log does not fit its head';
      used = BigInt(this.#count);
    }
    for (let back = 0n; back < used; back++) yield (this.#headId - back) & ID_MASK;
  }

  /** A record, why it is lost, or undefined when its descriptor is not in use. */
  record(id: bigint): LogRecord | Loss | undefined {
    try {
      return this.#read(id);
    } catch (error) {
      if (error instanceof FaultError) return 'unreadable';
      throw error;
    }
  }

  #read(id: bigint): LogRecord | Loss | undefined {
    const index = Number(id & BigInt(this.#count - 1));
    const desc = this.#view(add(this.#descs, index * this.#desc.size), this.#desc.size);
    const state = desc.getBigUint64(this.#desc.state, true);
    if ((state & ID_MASK) !== id) {
      // The writer has taken the head and not yet its descriptor, which still bears the id of the round before.
      const before = (id - BigInt(this.#count)) & ID_MASK;
      return id === this.#headId && (state & ID_MASK) === before ? 'being written' : 'damaged';
    }
    if (state >> STATE_SHIFT === REUSABLE) return undefined;
    if (state >> STATE_SHIFT === RESERVED) return 'being written';
    const info = this.#view(add(this.#infos, index * this.#info.size), this.#info.size);
    const length = info.getUint16(this.#info.textLength, true);
    const begin = desc.getBigUint64(this.#desc.begin, true);
    const text = this.#textOf(id, begin, desc.getBigUint64(this.#desc.next, true), length);
    return typeof text === 'string' ? text : this.#recordOf(info, text);
  }

  #view(at: VirtAddr, size: number): DataView {
    const bytes = this.#program.memory.readBytes(at, size);
    return new DataView(bytes.buffer, bytes.byteOffset, size);
  }

  #textOf(id: bigint, begin: bigint, next: bigint, length: number): Uint8Array | Loss {
    if ((begin & 1n) !== 0n) return begin === FAILED_LPOS ? 'without room for their text' : new Uint8Array(0);
    const { data, sizeBits } = this.#text;
    const ringSize = 1n << sizeBits;
    const end = next & (ringSize - 1n);
    // A block that does not fit behind `begin` stands at the start of the ring, all of it, and ends at `next`; one that
    // ends with the ring (since 6.18) is in the next round by its `next` alone.
    const moved = begin >> sizeBits !== next >> sizeBits && end !== 0n;
    // Positions begin one round below zero, so the first round ends where they start anew.
    const round = BigInt.asUintN(64 - Number(sizeBits), (begin >> sizeBits) + 1n);
    if (moved && round !== next >> sizeBits) return 'damaged';
    const size = moved ? end : BigInt.asIntN(64, next - begin);
    if (size < BigInt(BLOCK_ID) || size > ringSize) return 'damaged';
    const block = add(data, moved ? 0n : begin & (ringSize - 1n));
    if ((this.#program.memory.readU64(block) & ID_MASK) !== id) return 'damaged';
    return this.#program.memory.readBytes(add(block, BLOCK_ID), Math.min(length, Number(size) - BLOCK_ID));
  }

  /** u16 text_len; u8 facility; u8 flags:5, level:3: in this order since 5.10. */
  #recordOf(info: DataView, text: Uint8Array): LogRecord {
    const at = this.#info;
    const flags = info.getUint8(at.textLength + 3);
    const bytes = new Uint8Array(info.buffer, info.byteOffset, info.byteLength);
    const subsystem = cstring(bytes.subarray(at.subsystem, at.device));
    return {
      seq: info.getBigUint64(at.seq, true),
      timeNs: nanoseconds(info.getBigUint64(at.time, true)),
      level: flags >> 5,
      facility: info.getUint8(at.textLength + 2),
      caller: callerOf(info.getUint32(at.caller, true)),
      continuation: (flags & LOG_CONT) !== 0,
      device: subsystem === '' ? undefined : { subsystem, device: cstring(bytes.subarray(at.device, at.deviceEnd)) },
      text: decodeText(text),
    };
  }
}
