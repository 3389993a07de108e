/**
 * Debug information by build-id from servers: debuginfod (elfutils; `GET URL/buildid/ID/debuginfo`), and folders of type
 * packs on the web (`GET URL/ID.types`). Kept in the folder in which elfutils keeps what it fetched, so that gdb and drgn
 * find it, too. What was fetched counts only when its own build-id is the one that was asked for.
 */
import { createWriteStream, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { firstOfKernel } from '../program/find-debug-file.ts';
import { escapeText } from '../render/escape.ts';
import type { Io } from './io.ts';

type Env = Io['env'];

/** Seconds without an answer or without a byte, as elfutils has it. */
const PATIENCE = 90;
/** As for unpacked files. */
const MAX_BYTES = 2 ** 33;
const PROGRESS_MS = 1000;

/** URLs of $DEBUGINFOD_URLS, apart from each other by spaces. */
export function serversOf(env: Env): readonly string[] {
  return (env.DEBUGINFOD_URLS ?? '').split(/\s+/).filter((url) => /^https?:\/\//.test(url));
}

export function cacheFolder(env: Env): string {
  const base = env.XDG_CACHE_HOME ?? join(env.HOME ?? homedir(), '.cache');
  return env.DEBUGINFOD_CACHE_PATH ?? join(base, 'debuginfod_client');
}

export interface Wanted {
  /** Lower-case hex, from the dump. */
  readonly buildId: string;
  /** Where it is asked for, in this order. */
  readonly urls: readonly string[];
  /** Where it is kept. */
  readonly file: string;
}

/** Where debuginfod servers have a kernel. */
export function fromServers(buildId: string, env: Env): Wanted {
  const urls = serversOf(env).map((url) => `${url.replace(/\/+$/, '')}/buildid/${buildId}/debuginfo`);
  return { buildId, urls, file: join(cacheFolder(env), buildId, 'debuginfo') };
}

/** Where a folder of packs on the web has it. */
export function fromPacks(buildId: string, url: string, env: Env): Wanted {
  const file = join(cacheFolder(env), buildId, 'types');
  return { buildId, urls: [`${url.replace(/\/+$/, '')}/${buildId}.types`], file };
}

/** Who is told how far it is, and why there is none of a server; a line each. */
export interface Hearer {
  progress(text: string): void;
  failed(reason: string): void;
}

/** The file, fetched unless it is there; undefined when no server has it. */
export async function fetchDebugFile(wanted: Wanted, io: Io, hear: Hearer): Promise<string | undefined> {
  const { buildId, urls, file } = wanted;
  if (!/^[0-9a-f]{4,128}$/.test(buildId)) return undefined;
  const ofKernel = (path: string): string | undefined => firstOfKernel([path], { buildId, release: undefined });
  const kept = ofKernel(file);
  if (kept !== undefined) return kept;
  for (const url of urls) {
    const part = `${file}.part-${process.pid}`;
    try {
      mkdirSync(join(file, '..'), { recursive: true });
      await download(url, part, io, hear);
      if (ofKernel(part) === undefined) {
        hear.failed(`${url}: gave a file that is not of build-id ${buildId}; it is not used`);
        continue;
      }
      renameSync(part, file);
      return file;
    } catch (error) {
      hear.failed(`${url}: ${reasonOf(error)}`);
    } finally {
      rmSync(part, { force: true });
    }
  }
  return undefined;
}

async function download(url: string, path: string, io: Io, hear: Hearer): Promise<void> {
  const stop = new AbortController();
  const patience = Number(io.env.DEBUGINFOD_TIMEOUT ?? PATIENCE) * 1000 || PATIENCE * 1000;
  let timer = setTimeout(() => stop.abort(), patience);
  const awake = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), patience);
  };
  try {
    const answer = await fetch(url, { signal: stop.signal, redirect: 'follow' });
    if (!answer.ok || answer.body === null)
      throw new Error(answer.status === 404 ? 'has none' : `answered ${answer.status}`);
    const total = Number(answer.headers.get('x-debuginfod-size') ?? answer.headers.get('content-length') ?? Number.NaN);
    let got = 0;
    let told = io.now();
    const counted = new Transform({
      transform(chunk: Buffer, _encoding, next) {
        awake();
        got += chunk.length;
        if (io.now() - told > PROGRESS_MS) {
          told = io.now();
          const of = Number.isFinite(total) ? ` of ${Math.ceil(total / 2 ** 20)}` : '';
          hear.progress(`${url}: ${Math.floor(got / 2 ** 20)}${of} MiB`);
        }
        if (got > MAX_BYTES) next(new Error(`is larger than ${MAX_BYTES / 2 ** 30} GiB`));
        else next(null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(answer.body), counted, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
    if (statSync(path).size === 0) throw new Error('gave nothing');
  } finally {
    clearTimeout(timer);
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'AbortError') return 'did not answer in time';
  const { cause } = error;
  return escapeText(cause instanceof Error ? `${error.message}: ${cause.message}` : error.message);
}
