/**
 * The bundled program as one classic script beside the code that V8 made of it when dist/ was built. Half of the time of
 * a report on a small dump is V8 compiling what runs for the first time; with this code it need not. Modules of
 * ECMAScript have no such door, and Node's own compile cache (`module.enableCompileCache`) holds what V8 makes of a
 * module before it has run, which is little, and writes into a folder of the user's. V8 takes only code of its own
 * version and flags; with another Node, as with no or damaged code, the script is compiled as ever.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { constants, Script } from 'node:vm';
import { crc32 } from 'node:zlib';

export interface ScriptFiles {
  /** An expression in ASCII: a function of `SCRIPT_PARAMETERS` that fills `exports`, as Node's own around CommonJS. */
  readonly source: string;
  /** What `codeOf` gave, written to a file. */
  readonly code: string;
}

/** `importMetaUrl` stands for `import.meta.url`. */
export const SCRIPT_PARAMETERS = ['exports', 'require', 'module', 'importMetaUrl'] as const;

export interface Loaded {
  readonly exports: { readonly start: (argv: readonly string[]) => Promise<number> };
  /** Whether the code was taken. */
  readonly withCode: boolean;
  /** For `codeOf`, once it has run. */
  readonly script: Script;
  readonly source: Buffer;
}

/** Where tools/build.ts puts them. */
export function programFiles(dist: string): ScriptFiles {
  return { source: join(dist, 'program.cjs'), code: join(dist, 'program.code') };
}

/** Checksums of the source and of the code stand before the code: V8 itself compares only the length of the source. */
const HEAD_BYTES = 8;

function readCode(path: string, source: Buffer): Buffer | undefined {
  let file: Buffer;
  try {
    file = readFileSync(path);
  } catch {
    return undefined;
  }
  const code = file.subarray(HEAD_BYTES);
  if (file.length < HEAD_BYTES || file.readUInt32LE(0) !== crc32(source) || file.readUInt32LE(4) !== crc32(code))
    return undefined;
  return code;
}

/** The functions that have run so far, as V8 compiled them, for the file of code. */
export function codeOf({ script, source }: Pick<Loaded, 'script' | 'source'>): Buffer {
  const code = script.createCachedData();
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(crc32(source), 0);
  head.writeUInt32LE(crc32(code), 4);
  return Buffer.concat([head, code]);
}

/** @param name - in stack traces; that under which code is made is kept in it, and should name no folder of that machine */
export function loadScript(files: ScriptFiles, name?: string): Loaded {
  const source = readFileSync(files.source);
  const url = pathToFileURL(files.source).href;
  const cachedData = readCode(files.code, source);
  const script = new Script(source.toString('latin1'), {
    filename: name ?? url,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  const module = { exports: {} as Loaded['exports'] };
  const run = script.runInThisContext() as (...values: readonly unknown[]) => void;
  run(module.exports, createRequire(url), module, url);
  return { exports: module.exports, withCode: script.cachedDataRejected === false, script, source };
}
