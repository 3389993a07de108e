import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { HEADER, KDUMP_SIGNATURE, UTSNAME_FIELD } from '../../src/dump/kdump-header.ts';
import { withReadable } from './twin.ts';

const folder = mkdtempSync(join(tmpdir(), 'kwhy-twin-'));
afterAll(() => rmSync(folder, { recursive: true }));

function dump(signature: string, release: string): string {
  const path = join(folder, 'a.vmcore');
  const bytes = Buffer.alloc(8192, 7);
  bytes.fill(0, 0, HEADER.size);
  bytes.write(signature);
  bytes.write(release, HEADER.utsname + 2 * UTSNAME_FIELD);
  bytes.write('x86_64', HEADER.utsname + 4 * UTSNAME_FIELD);
  writeFileSync(path, bytes);
  return path;
}

describe('a dump for drgn', () => {
  it.each([
    [KDUMP_SIGNATURE, '6.1.0'],
    ['\x7fELF', ''],
  ])('is itself when its header names a kernel, or is no kdump header: %j', (signature, release) => {
    const path = dump(signature, release);
    expect(withReadable(path, '6.1.0', (given) => given)).toBe(path);
  });

  it('is a copy with names in its header alone, which does not stay', () => {
    const path = dump(KDUMP_SIGNATURE, '');
    const before = readFileSync(path);
    const [given, bytes] = withReadable(path, '6.1.0-56', (each) => [each, readFileSync(each)] as const);
    const field = (index: number): string => {
      const start = HEADER.utsname + index * UTSNAME_FIELD;
      return bytes.toString('latin1', start, bytes.indexOf(0, start));
    };
    expect([field(0), field(2), field(3), field(4)]).toEqual(['Linux', '6.1.0-56', 'unknown', 'x86_64']);
    expect(bytes.subarray(HEADER.size).equals(before.subarray(HEADER.size))).toBe(true);
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(existsSync(given)).toBe(false);
  });
});
