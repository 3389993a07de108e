import { closeSync, fstatSync, readdirSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { UsageError } from '../base/errors.ts';
import { openUnpacked, packedHead, packingOf } from './packed-file.ts';

const CONTENT = Buffer.from('the content of a file\n'.repeat(20_000));
/** `printf 'a vmlinux\n' | xz` */
const XZ = Buffer.from(
  '/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAJYSB2bWxpbnV4CgAAAOZKwPay1CAsAAEiChUa4WcftvN9AQAAAAAEWVo=',
  'base64',
);

it.each([
  ['gzip', gzipSync(CONTENT)],
  ['zstd', zstdCompressSync(CONTENT)],
] as const)('%s is unpacked, and its head alone', (packing, bytes) => {
  const path = tempFolder()('vmlinux');
  writeFileSync(path, bytes);
  expect(packingOf(bytes)).toBe(packing);
  expect(Buffer.from(packedHead(path, 20) ?? []).toString()).toBe('the content of a fil');
  const fd = openUnpacked(path);
  expect(fd).toBeTypeOf('number');
  if (fd === undefined) return;
  const got = Buffer.alloc(CONTENT.length);
  expect(fstatSync(fd).size).toBe(CONTENT.length);
  readSync(fd, got, 0, got.length, 0);
  closeSync(fd);
  expect(got.equals(CONTENT)).toBe(true);
});

it('a file that is not packed is left alone', () => {
  const path = tempFolder()('vmlinux');
  writeFileSync(path, CONTENT);
  expect(openUnpacked(path)).toBeUndefined();
  expect(packedHead(path, 20)).toBeUndefined();
});

it('what does not unpack is refused, and leaves nothing behind', () => {
  const folder = tempFolder();
  const path = folder('vmlinux.gz');
  writeFileSync(path, gzipSync(CONTENT).subarray(0, 200));
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder('');
  try {
    expect(() => openUnpacked(path)).toThrow(UsageError);
    expect(() => openUnpacked(path)).toThrow(`${path}: is packed with gzip, and does not unpack`);
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
  expect(readdirSync(folder(''))).toEqual(['vmlinux.gz']);
});

it('xz is unpacked by its program, and without it the line says what to do', () => {
  const folder = tempFolder();
  const path = folder('vmlinux.xz');
  writeFileSync(path, XZ);
  const before = process.env.PATH;
  process.env.PATH = folder('');
  try {
    expect(() => openUnpacked(path)).toThrow('there is no program xz here: install xz-utils, or unpack it');
  } finally {
    process.env.PATH = before;
  }
  // Where xz is installed, it has to work.
  const has = (before ?? '').split(':').some((where) => isThere(`${where}/xz`));
  if (!has) return;
  const fd = openUnpacked(path);
  expect(fd).toBeTypeOf('number');
  if (fd === undefined) return;
  const got = Buffer.alloc(32);
  expect(got.toString('utf8', 0, readSync(fd, got, 0, got.length, 0))).toBe('a vmlinux\n');
  closeSync(fd);
});

function isThere(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}
