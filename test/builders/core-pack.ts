/**
 * Packs a dump for core-store.ts, which has the format. Pages are told apart by their hash, and each is stored once.
 */
import { createHash } from 'node:crypto';
import { constants, zstdCompressSync, type ZstdOptions } from 'node:zlib';
import { pfn } from '../../src/base/address.ts';
import type { DumpFile, PageStatus } from '../../src/dump/dump-file.ts';
import { type CoreHeader, PAGE } from './core-store.ts';

/** With the best compression: some seconds for a core. */
export function compress(bytes: Uint8Array, dictionary?: Buffer): Buffer {
  const params = {
    [constants.ZSTD_c_compressionLevel]: 19,
    // As much as a base has: pages are found again wherever they lay.
    [constants.ZSTD_c_windowLog]: 25,
    [constants.ZSTD_c_enableLongDistanceMatching]: 1,
  };
  const options: ZstdOptions = dictionary === undefined ? { params } : { params, dictionary };
  return zstdCompressSync(bytes, options);
}

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Unique pages in the order in which they were met. */
class PageSet {
  readonly #ids = new Map<string, number>();
  readonly #own: Uint8Array[] = [];

  /** @param base - pages that are there already */
  constructor(base: Uint8Array) {
    for (let at = 0; at < base.length; at += PAGE) this.#ids.set(hash(base.subarray(at, at + PAGE)), at / PAGE);
  }

  id(page: Uint8Array): number {
    const key = hash(page);
    let id = this.#ids.get(key);
    if (id !== undefined) return id;
    this.#ids.set(key, (id = this.#ids.size));
    this.#own.push(Uint8Array.from(page));
    return id;
  }

  get own(): Buffer {
    return Buffer.concat(this.#own);
  }
}

/** Frames from 0 on, as runs of one status, and what stands in those that have data. */
function walk(dump: DumpFile, onPage: (page: Uint8Array) => void): CoreHeader['runs'] {
  const runs: [PageStatus, number][] = [];
  const page = new Uint8Array(PAGE);
  for (let frame = 0; frame < dump.maxPfn; frame++) {
    let status = dump.status(pfn(frame));
    if (status === 'data') {
      const read = dump.readPage(pfn(frame), page);
      if (read === 'data' || read === 'zero') onPage(page);
      else status = read;
    }
    const last = runs.at(-1);
    if (last?.[0] === status) last[1]++;
    else runs.push([status, 1]);
  }
  return runs;
}

function headerOf(dump: DumpFile, rest: Pick<CoreHeader, 'runs' | 'base'>): CoreHeader {
  const hex = (value: bigint | undefined): string | undefined =>
    value === undefined ? undefined : `0x${value.toString(16)}`;
  const { description, format, machine, dumpLevel, maxPfn, fileSize, counts, problems, vmcoreinfo } = dump;
  return {
    description,
    format,
    machine,
    dumpLevel,
    maxPfn,
    fileSize,
    physBase: hex(dump.physBase),
    pageOffset: hex(dump.pageOffset),
    vmcoreinfo: vmcoreinfo === undefined ? undefined : Buffer.from(vmcoreinfo).toString('base64'),
    notes: dump.notes.map(({ name, type, desc }) => ({ name, type, desc: Buffer.from(desc).toString('base64') })),
    counts,
    problems,
    ...rest,
  };
}

/** @param base - the decompressed pages that the core may refer to */
export function packCore(dump: DumpFile, base: Buffer, file: string): Buffer {
  const pages = new PageSet(base);
  const ids: number[] = [];
  const runs = walk(dump, (page) => ids.push(pages.id(page)));
  const json = JSON.stringify(headerOf(dump, { runs, base: { file, sha256: hash(base) } }));
  const header = Buffer.from(json.padEnd(Math.ceil(Buffer.byteLength(json) / 4) * 4));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  const content = Buffer.concat([length, header, Buffer.from(Uint32Array.from(ids).buffer), pages.own]);
  return Buffer.concat([Buffer.from(`${file}\0`), compress(content, base)]);
}

/** The pages of a dump that other cores of its kernel may refer to. */
export function commonPages(dump: DumpFile): Buffer {
  const pages = new PageSet(new Uint8Array());
  walk(dump, (page) => pages.id(page));
  return pages.own;
}
