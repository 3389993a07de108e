import { describe, expect, it } from 'vitest';
import { bundledPackages } from './build.ts';

describe('bundledPackages', () => {
  it('names packages, scoped and nested ones too, once', () => {
    const inputs = [
      'src/cli/main.ts',
      'node_modules/@stricli/core/dist/index.js',
      'node_modules/zstddec/dist/zstddec.modern.js',
      'node_modules/zstddec/dist/other.js',
    ];
    expect(bundledPackages(inputs)).toEqual(['@stricli/core', 'zstddec']);
  });
});
