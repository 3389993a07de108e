/**
 * Copies of a dump file that are cut off, zeroed or changed, and the same wrapped as makedumpfile writes to a pipe. What
 * is changed is drawn from a seed: the same file gives the same copies on every machine.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Random } from '../../fuzz/random.ts';

const MB = 1_000_000;
const PAGE = 4096;
const FLATTENED_RECORD = 1 << 16;

export interface FileDamage {
  /** For people and for names of files: 'cut at 50 %'. */
  readonly name: string;
  readonly apply: (sound: Uint8Array) => Uint8Array;
}

const CUTS = [5, 25, 50, 75, 90, 99, 99.99];

function cut(percent: number): FileDamage {
  return {
    name: `cut at ${percent} %`,
    apply: (sound) => sound.subarray(0, Math.floor((sound.length * percent) / 100)),
  };
}

/** Changes a copy behind the first hundredth, where headers and indexes stand, whose damage is another matter. */
function changed(
  name: string,
  seed: number,
  change: (bytes: Uint8Array, random: Random, from: number) => void,
): FileDamage {
  return {
    name: `${name} (${seed})`,
    apply(sound) {
      const bytes = Uint8Array.from(sound);
      change(bytes, new Random(`${name} ${seed}`), Math.floor(bytes.length / 100));
      return bytes;
    },
  };
}

function damages(seed: number): FileDamage[] {
  return [
    changed('1 MB zeroed', seed, (bytes, random, from) => {
      const at = random.between(from, bytes.length - MB);
      bytes.fill(0, at, at + MB);
    }),
    changed('50 bits flipped', seed, (bytes, random, from) => {
      for (let i = 0; i < 50; i++) {
        const at = random.between(from, bytes.length - 1);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      }
    }),
    changed('20 pages of the file swapped', seed, (bytes, random, from) => {
      const place = (): number => Math.floor(random.between(from, bytes.length - PAGE) / PAGE) * PAGE;
      for (let i = 0; i < 10; i++) {
        const [a, b] = [place(), place()];
        const page = bytes.slice(a, a + PAGE);
        bytes.copyWithin(a, b, b + PAGE);
        bytes.set(page, b);
      }
    }),
  ];
}

export const FILE_DAMAGES: readonly FileDamage[] = [...CUTS.map(cut), ...damages(1), ...damages(2)];

/** The file as `makedumpfile -F` writes it: a header of 4 KiB, records of big-endian offset and size, an end. */
export function flatten(sound: Uint8Array): Uint8Array {
  const header = Buffer.alloc(PAGE);
  header.write('makedumpfile', 'latin1');
  header.writeBigUInt64BE(1n, 16);
  header.writeBigUInt64BE(1n, 24);
  const parts: Uint8Array[] = [header];
  for (let at = 0; at < sound.length; at += FLATTENED_RECORD) {
    const data = sound.subarray(at, at + FLATTENED_RECORD);
    parts.push(record(BigInt(at), BigInt(data.length)), data);
  }
  return Buffer.concat([...parts, record(-1n, -1n)]);
}

function record(offset: bigint, size: bigint): Uint8Array {
  const out = Buffer.alloc(16);
  out.writeBigInt64BE(offset, 0);
  out.writeBigInt64BE(size, 8);
  return out;
}

/** @param from - path of a sound dump */
export function writeDamaged(from: string, flattened: boolean, damage: FileDamage, to: string): void {
  const sound = readFileSync(from);
  writeFileSync(to, damage.apply(flattened ? flatten(sound) : sound));
}
