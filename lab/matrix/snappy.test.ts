import { expect, it } from 'vitest';
import { snappyCodec } from '../../src/dump/codecs/snappy.ts';
import { snappyCompress } from './snappy.ts';

function back(page: Uint8Array): { readonly packed: number; readonly same: boolean } {
  const packed = snappyCompress(page);
  const into = new Uint8Array(page.length);
  snappyCodec().decompress(packed, into);
  return { packed: packed.length, same: Buffer.compare(into, page) === 0 };
}

it('writes pages that unpack to what they were', () => {
  const text = Buffer.alloc(4096, 'struct rw_semaphore, struct mutex, and 0123456789; ');
  expect(back(text).same).toBe(true);
  expect(back(text).packed).toBeLessThan(400);
  let state = 1;
  const noise = Uint8Array.from({ length: 4096 }, () => (state = (state * 1103515245 + 12345) & 0x7fffffff) >> 16);
  expect(back(noise).same).toBe(true);
  const mixed = Uint8Array.from({ length: 4096 }, (_, at) => (at % 700 < 300 ? at & 7 : (noise[at] ?? 0)));
  expect(back(mixed).same).toBe(true);
  expect(back(new Uint8Array(4096)).same).toBe(true);
});
