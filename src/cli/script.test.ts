import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { codeOf, loadScript, programFiles, SCRIPT_PARAMETERS, type ScriptFiles } from './script.ts';

const state: { folder: string } = { folder: '' };
beforeEach(() => {
  state.folder = mkdtempSync(join(tmpdir(), 'kwhy-script-'));
});
afterEach(() => rmSync(state.folder, { recursive: true }));

function sourceGiving(status: number): string {
  return `(function (${SCRIPT_PARAMETERS.join(', ')}) {
    exports.start = async (argv) => argv.length + ${status};
  })`;
}

/** A program that was run once, and its code. */
async function program(): Promise<ScriptFiles> {
  const files = programFiles(state.folder);
  writeFileSync(files.source, sourceGiving(40));
  const loaded = loadScript(files);
  expect(loaded.withCode).toBe(false);
  expect(await loaded.exports.start(['a', 'b'])).toBe(42);
  writeFileSync(files.code, codeOf(loaded));
  return files;
}

it('takes the code of the same script', async () => {
  const again = loadScript(await program());
  expect(again.withCode).toBe(true);
  expect(await again.exports.start(['a'])).toBe(41);
});

it('takes no code of another script, not even of one that is as long', async () => {
  const files = await program();
  writeFileSync(files.source, sourceGiving(70));
  const other = loadScript(files);
  expect(other.withCode).toBe(false);
  expect(await other.exports.start(['a'])).toBe(71);
});

it('takes no damaged code, and none that is cut off', async () => {
  const files = await program();
  const code = readFileSync(files.code);
  for (const at of [0, 5, 8, 40, code.length - 1]) {
    const damaged = Buffer.from(code);
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    writeFileSync(files.code, damaged);
    const loaded = loadScript(files);
    expect(loaded.withCode).toBe(false);
    expect(await loaded.exports.start([])).toBe(40);
  }
  for (const length of [0, 7, 8, code.length - 1]) {
    writeFileSync(files.code, code.subarray(0, length));
    expect(loadScript(files).withCode).toBe(false);
  }
});

it('gives the script what a module has', () => {
  const files = programFiles(state.folder);
  writeFileSync(
    files.source,
    `(function (${SCRIPT_PARAMETERS.join(', ')}) {
      module.exports.start = () => require('node:path').basename(importMetaUrl);
    })`,
  );
  expect(loadScript(files).exports.start([])).toBe('program.cjs');
});
