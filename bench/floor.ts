/**
 * What the report reads at least, counted from the sources: which pages it asks the dump for, how many bytes it reads
 * of the file, and how long just these pages take when they are read again by code that is warm.
 */
import { existsSync, readFileSync } from 'node:fs';
import { type Pfn, pfn } from '../src/base/address.ts';
import { unlimited } from '../src/base/budget.ts';
import { diagnose } from '../src/diagnosis/engine.ts';
import type { DumpFile } from '../src/dump/dump-file.ts';
import { openDump } from '../src/dump/open.ts';
import { openProgram } from '../src/program/open.ts';
import { median } from './statistics.ts';

export interface Floor {
  /** Pages that were read, each once. */
  readonly pages: number;
  readonly pageBytes: number;
  /** Bytes read(2) from the file; undefined where the system does not count them. */
  readonly fileBytes: number | undefined;
  /** Milliseconds to read and decompress just these pages. */
  readonly reading: number;
}

/** Bytes that this process has read. */
function bytesRead(): number | undefined {
  const path = '/proc/self/io';
  return existsSync(path) ? Number(/^rchar: (\d+)/.exec(readFileSync(path, 'latin1'))?.[1]) : undefined;
}

/** Takes the report, and notes every page frame it asks for. */
function framesOfReport(path: string): readonly Pfn[] {
  const frames = new Set<Pfn>();
  const program = openProgram(path, { onPage: (frame) => frames.add(frame) });
  try {
    const steps = diagnose(program, unlimited);
    while (steps.next().done !== true);
    return [...frames];
  } finally {
    program.close();
  }
}

function readAll(dump: DumpFile, frames: readonly Pfn[]): number {
  const page = new Uint8Array(dump.pageSize);
  const start = performance.now();
  for (const frame of frames) dump.readPage(pfn(frame), page);
  return performance.now() - start;
}

export function floorOf(path: string): Floor {
  const frames = framesOfReport(path);
  const times: number[] = [];
  let fileBytes: number | undefined;
  let pageSize = 0;
  for (let round = 0; round < 5; round++) {
    const before = bytesRead();
    const dump = openDump(path);
    pageSize = dump.pageSize;
    try {
      times.push(readAll(dump, frames));
    } finally {
      dump.close();
    }
    const after = bytesRead();
    fileBytes = before === undefined || after === undefined ? undefined : after - before;
  }
  return { pages: frames.length, pageBytes: frames.length * pageSize, fileBytes, reading: median(times.slice(1)) };
}
