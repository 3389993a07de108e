/** A folder of a test's own, removed when the test has finished. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Makes the folder; returns the path of a name in it. */
export function tempFolder(): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'kwhy-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  return (name) => join(folder, name);
}
