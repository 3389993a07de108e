import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

interface LockFile {
  readonly packages: Record<string, { version?: string; integrity?: string; optionalDependencies?: object }>;
}

const text = readFileSync(join(import.meta.dirname, '../package-lock.json'), 'utf8');
const { packages } = JSON.parse(text) as LockFile;

describe('package-lock.json', () => {
  it('names no place to download from, so that everybody uses the registry they have', () => {
    expect(text).not.toContain('"resolved"');
  });

  it('has version and checksum of every package', () => {
    const names = Object.keys(packages).filter((name) => name !== '');
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      expect(packages[name]?.version, name).toMatch(/^\d/);
      expect(packages[name]?.integrity, name).toMatch(/^sha512-/);
    }
  });

  // Without them `npm ci` refuses the lock file; a registry that lags behind has not got all of the newest versions.
  it('has the packages of every platform', () => {
    const missing = Object.values(packages).flatMap(({ optionalDependencies = {} }) =>
      Object.keys(optionalDependencies).filter(
        (name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)),
      ),
    );
    expect(missing).toEqual([]);
  });
});
